package webhooks_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/webhooks"
	"paymentd/core/endpoint"
	"paymentd/internal/egress"
	"paymentd/internal/leaktest"
	"paymentd/internal/standardwebhooks"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var event = endpoint.Delivery{Event: "evt_1", Payload: []byte(`{"type":"payment.succeeded"}`)}

func to(address string) endpoint.Endpoint { return endpoint.New(address, endpoint.Patterns{"*"}) }

func newSender(t *testing.T, o webhooks.Options) *webhooks.Sender {
	t.Helper()
	o.Timeout, o.Version = 5*time.Second, "test"
	s := webhooks.New(o)
	t.Cleanup(s.Close)
	return s
}

// send makes one attempt.
func send(t *testing.T, s *webhooks.Sender, e endpoint.Endpoint) endpoint.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return s.Send(ctx, e, event)
}

// receiver is a server on a loopback address that counts its requests.
func receiver(t *testing.T, handle http.HandlerFunc) (server *httptest.Server, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if handle != nil {
			handle(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server, requests
}

func TestSend_SignsWithEverySecret(t *testing.T) {
	t.Parallel()
	e := to("")
	e.Previous, e.PreviousUntil, e.SeenAt = endpoint.NewSecret(), time.Now().Add(time.Hour), time.Now()
	server, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for _, text := range []endpoint.Secret{e.Secret, e.Previous} {
			secret, err := standardwebhooks.ParseSecret(text.Reveal())
			if err != nil {
				t.Error(err)
			}
			id, err := standardwebhooks.Verify([]standardwebhooks.Secret{secret}, r.Header, body, time.Now())
			if err != nil || id != "evt_1" {
				t.Error(id, err)
			}
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "paymentd/test" || r.Method != http.MethodPost {
			t.Error(r.Method, r.Header)
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(strings.Repeat("a", 100_000)))
	})
	e.URL = server.URL + "/hooks?shop=1"
	answer := send(t, newSender(t, webhooks.Options{Allow: egress.Hosts{"127.0.0.1"}}), e)
	require.Equal(t, endpoint.Answer{Status: 202, Body: strings.Repeat("a", endpoint.MaxAnswerBytes)}, answer)
}

// A corpus of addresses at which a receiver may not be. None of them gets a connection, whether the URL has the address
// or a name that resolves to it.
var refused = []string{
	"127.0.0.1", "127.0.0.2", "127.255.255.255", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
	"100.64.0.1", "100.100.100.200", "100.127.255.255", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2",
	"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.0.192", "192.0.2.1", "192.88.99.1",
	"192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
	"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::2", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
	"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "100::1",
	"2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
	"2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::a9fe:a9fe", "fec0::1", "ff02::1", "ff0e::1",
}

func TestIsPublic_Corpus(t *testing.T) {
	t.Parallel()
	for _, text := range refused {
		require.False(t, egress.IsPublic(netip.MustParseAddr(text)), text)
	}
	require.False(t, egress.IsPublic(netip.Addr{}))
	require.False(t, egress.IsPublic(netip.MustParseAddr("2600::1%eth0")))
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"} {
		require.True(t, egress.IsPublic(netip.MustParseAddr(text)), text)
	}
}

func TestSend_RefusesAddresses(t *testing.T) {
	t.Parallel()
	s := newSender(t, webhooks.Options{})
	urls := []string{
		"https://localhost/", "https://LOCALHOST./", "https://shop.localhost/", "https://127.1/", "https://2130706433/", "https://0x7f.1/",
		"https://017700000001/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:7f00:1]/", "https://127.0.0.1:22/", "https://[fe80::1%25lo]/",
	}
	for _, address := range refused {
		urls = append(urls, (&url.URL{Scheme: "https", Host: net.JoinHostPort(address, "443")}).String())
	}
	for _, address := range urls {
		answer := send(t, s, to(address))
		require.Zero(t, answer.Status, address)
		require.NotEmpty(t, answer.Problem, address)
	}
}

// A name resolves to a refused address. The server at that address gets no connection.
func TestSend_RefusesNames(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	defer func() { require.NoError(t, listener.Close()); <-done }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	for _, address := range refused {
		s := newSender(t, webhooks.Options{Resolver: names(t, address)})
		answer := send(t, s, to("https://shop.example:"+port+"/"))
		require.Zero(t, answer.Status, address)
		require.Contains(t, answer.Problem, "is not public, and nothing is sent to it", address)
	}
	// The name has several addresses, and is answered in another way each time.
	s := newSender(t, webhooks.Options{Resolver: names(t, "127.0.0.1", "10.0.0.1", "::1")})
	for range 3 {
		require.Contains(t, send(t, s, to("https://shop.example:"+port+"/")).Problem, "is not public")
	}
	require.Zero(t, connections.Load())
}

// names is a resolver for which every name has all of the addresses, in turn the first of them.
func names(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(answerDNS(query[:n], addresses), from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// answerDNS answers a query for addresses (RFC 1035, section 4).
func answerDNS(query []byte, addresses []string) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root label, type and class
	kind := binary.BigEndian.Uint16(query[end-4:])
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	for _, text := range addresses {
		a := netip.MustParseAddr(text)
		if a.Is4() != (kind == 1) || kind != 1 && kind != 28 {
			continue
		}
		answer[7]++
		answer = append(answer, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(a.AsSlice())))
		answer = append(answer, a.AsSlice()...)
	}
	return answer
}

// A redirect is an answer that is not accepted.
func TestSend_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	inner, requests := receiver(t, nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		outer, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner.URL, status) })
		answer := send(t, newSender(t, webhooks.Options{Allow: egress.Hosts{"127.0.0.1"}}), to(outer.URL))
		require.Equal(t, status, answer.Status)
		require.False(t, answer.Accepted())
	}
	require.Zero(t, requests.Load())
}

func TestSend_UsesNoProxy(t *testing.T) {
	proxy, requests := receiver(t, nil)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("ALL_PROXY", proxy.URL)
	s := newSender(t, webhooks.Options{Resolver: names(t, "10.0.0.1")})
	require.NotEmpty(t, send(t, s, to("https://shop.example/")).Problem)
	require.NotEmpty(t, send(t, s, to("http://shop.example/")).Problem)
	require.Zero(t, requests.Load())
}

func TestSend_RefusesPlainHTTP(t *testing.T) {
	t.Parallel()
	server, requests := receiver(t, nil)
	s := newSender(t, webhooks.Options{Allow: egress.Hosts{"hooks.internal"}, Resolver: names(t, "127.0.0.1")})
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	require.Contains(t, send(t, s, to("http://shop.example"+port)).Problem, "must begin with https:// or tls://")
	require.Zero(t, requests.Load())
	require.Equal(t, 200, send(t, s, to("http://Hooks.Internal."+port)).Status, "allowed by name")
}

func TestSend_Problems(t *testing.T) {
	t.Parallel()
	gone, _ := receiver(t, nil)
	gone.Close()
	s := newSender(t, webhooks.Options{Allow: egress.Hosts{"127.0.0.1"}})
	require.Contains(t, send(t, s, to(gone.URL)).Problem, "connection refused")

	release := make(chan struct{})
	slow, _ := receiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Equal(t, "no answer in time", s.Send(ctx, to(slow.URL), event).Problem)
	close(release)
}

func TestHosts_Parse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]egress.Hosts{
		"": nil, "hooks.internal": {"hooks.internal"}, "A.b., 10.1.2.3,[::1]": {"a.b", "10.1.2.3", "::1"},
	} {
		h, err := egress.ParseHosts(text)
		require.NoError(t, err, text)
		require.Equal(t, want, h, text)
	}
	for _, text := range []string{",", "a,,b", "a:80", "https://a", "*.internal", "a b", "10.0.0.0/8"} {
		_, err := egress.ParseHosts(text)
		require.Error(t, err, text)
	}
}
