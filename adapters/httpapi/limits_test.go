package httpapi_test

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/httpapi"
	"paymentd/client"
)

const (
	tooManyOfAddress = "too many requests from this address; nothing was charged by this one; " +
		"send it again after the seconds of Retry-After"
	tooManyOfKey = "too many requests with this API key; nothing was charged by this one; " +
		"send it again after the seconds of Retry-After"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]httpapi.Rate{
		"": {}, "1/s": {1, time.Second}, "6000/m": {6000, time.Minute}, "1000000/h": {1_000_000, time.Hour},
	} {
		got, err := httpapi.ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"100", "100/", "/s", "0/s", "-1/s", "+1/s", "1.5/s", "1e3/s", "1000001/s", "100/d", "100/S", "100 /s", "100/s/s", "99999999999999999999/s"} {
		_, err := httpapi.ParseRate(text)
		require.Error(t, err, text)
	}
}

// requireQuota requires these RateLimit headers.
func (a answer) requireQuota(t *testing.T, policies, left []string) {
	t.Helper()
	require.Equal(t, policies, a.header.Values("RateLimit-Policy"))
	require.Equal(t, left, a.header.Values("RateLimit"))
}

// An address has one quota for all of /payments and the metrics, for all responses. It is checked
// before the key, and grows with time.
func TestLimit_PerAddress(t *testing.T) {
	t.Parallel()
	p, o := answering(approved), options(t)
	o.Keys = holders(t, fake.NewKeys(), keyOfShop)
	o.LimitPerAddress, o.Metrics = httpapi.Rate{Requests: 4, Window: time.Minute}, counting
	inVirtualTimeWith(t, p, o, func(dial func() *caller, log *logbook) {
		const key = "Authorization: Bearer " + keyOfShop + "\r\n"
		policy := []string{`"address";q=4;w=60`}
		ask := func(text string) answer {
			c := dial()
			defer func() { require.NoError(t, c.Close()) }()
			c.send(text)
			return c.answer()
		}
		post := "POST /payments/process HTTP/1.1\r\nHost: x\r\n" + key + "Content-Type: application/json\r\nContent-Length: 40\r\n\r\n" + oneRequest

		for i, step := range []struct {
			text   string
			status int
		}{
			{post, 200},
			{"GET /payments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guess\r\n\r\n", 401},
			{"GET /payments/%20 HTTP/1.1\r\nHost: x\r\n" + key + "\r\n", 400},
			{"GET /metrics HTTP/1.1\r\nHost: x\r\n" + key + "\r\n", 200},
		} {
			got := ask(step.text)
			require.Equal(t, step.status, got.status, step.text)
			got.requireQuota(t, policy, []string{`"address";r=` + strconv.Itoa(3-i) + `;t=15`})
		}
		for _, text := range []string{post, looking("/payments"), looking("/payments/x"), looking("/metrics")} {
			got := ask(text)
			require.Equal(t, http.StatusTooManyRequests, got.status)
			require.Equal(t, tooManyOfAddress, got.sentence(t))
			require.Equal(t, "15", got.header.Get("Retry-After"))
			require.Empty(t, got.header.Get("WWW-Authenticate"), "no key was looked at")
			got.requireQuota(t, policy, []string{`"address";r=0;t=15`})
		}
		for range 10 {
			require.Equal(t, 200, ask(looking("/healthz")).status)
			got := ask(looking("/readyz"))
			require.Equal(t, 200, got.status)
			got.requireQuota(t, nil, nil)
			require.Equal(t, 200, ask(looking("/docs")).status)
			require.Equal(t, 404, ask(looking("/nowhere")).status)
		}
		time.Sleep(14001 * time.Millisecond)
		require.Equal(t, "1", ask(post).header.Get("Retry-After"), "rounded up")
		require.Len(t, p.requests, 1)
		time.Sleep(time.Second)
		require.Equal(t, 200, ask(post).status, "after Retry-After")
		require.Equal(t, 429, ask(post).status)
		require.Len(t, p.requests, 2)
		for _, line := range log.entries(t) {
			_, logged := line["client"]
			require.Equal(t, line["status"] == 401.0 || line["status"] == 429.0 || line["route"] == "/payments/process", logged, line)
		}
	})
}

// A key has one quota for all addresses, and each key has its own. Without keys there is none.
func TestLimit_PerKey(t *testing.T) {
	t.Parallel()
	p, o := answering(approved), options(t)
	o.Keys = holders(t, fake.NewKeys(), keyOfShop, keyOfOther)
	o.LimitPerKey, o.LimitPerAddress = httpapi.Rate{Requests: 2, Window: time.Hour}, httpapi.Rate{Requests: 9, Window: time.Hour}
	s := serveWith(t, p, o)
	policies := []string{`"address";q=9;w=3600`, `"key";q=2;w=3600`}

	s.post(oneRequest, "Authorization: Bearer "+keyOfShop).
		requireQuota(t, policies, []string{`"address";r=8;t=400`, `"key";r=1;t=1800`})
	require.Equal(t, 200, s.get("/payments", "Authorization: Bearer "+keyOfShop).status)
	for range 2 {
		got := s.post(oneRequest, "Authorization: Bearer "+keyOfShop)
		require.Equal(t, 429, got.status)
		require.Equal(t, tooManyOfKey, got.sentence(t))
		require.Equal(t, "1800", got.header.Get("Retry-After"))
	}
	require.Equal(t, 200, s.post(oneRequest, "Authorization: Bearer "+keyOfOther).status)
	got := s.get("/payments") // an unknown key uses no key's quota
	require.Equal(t, 401, got.status)
	got.requireQuota(t, policies[:1], []string{`"address";r=3;t=400`})
	require.Equal(t, 200, s.get("/payments", "Authorization: Bearer "+keyOfOther).status)
	require.Len(t, p.requests, 2)

	o.Keys, o.LimitPerAddress = fake.OpenAccess{}, httpapi.Rate{}
	open := serveWith(t, p, o)
	for range 5 {
		got := open.post(oneRequest)
		require.Equal(t, 200, got.status)
		got.requireQuota(t, nil, nil)
	}
}

// After the quota is used up, the right key is refused as well.
func TestLimit_UnknownKeys_AreCounted(t *testing.T) {
	t.Parallel()
	p, o := answering(approved), options(t)
	o.Keys, o.LimitPerAddress = holders(t, fake.NewKeys(), keyOfShop), httpapi.Rate{Requests: 20, Window: time.Hour}
	s := serveWith(t, p, o)
	for i := range 100 {
		got := s.post(oneRequest, "Authorization: Bearer "+keyOfOther+strconv.Itoa(i))
		require.Equal(t, map[bool]int{true: 401, false: 429}[i < 20], got.status)
	}
	require.Equal(t, 429, s.post(oneRequest, "Authorization: Bearer "+keyOfShop).status)
	p.requireUntouched(t)
}

// forgeries are headers that claim another client address, each a different one.
func forgeries(n int) [][]string {
	address := "198.51.100." + strconv.Itoa(n)
	return [][]string{
		{"X-Forwarded-For: " + address},
		{"X-Forwarded-For: " + address + ", 127.0.0.1"},
		{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: " + address},
		{"Forwarded: for=" + address},
		{"X-Real-Ip: " + address},
		{"True-Client-Ip: " + address},
		{"Cf-Connecting-Ip: " + address},
		{"X-Client-Ip: " + address, "X-Originating-Ip: " + address, "X-Forwarded: " + address},
		{"X-Forwarded-Host: 127.0.0.1", "X-Forwarded-Proto: https"},
	}
}

func TestLimit_ForgedAddress_IsIgnored(t *testing.T) {
	t.Parallel()
	for _, trusted := range []string{"", "192.0.2.0/24"} { // the peer is not in this range
		p, o := answering(approved), options(t)
		o.LimitPerAddress = httpapi.Rate{Requests: 1, Window: time.Hour}
		o.TrustedProxies, _ = httpapi.ParseProxies(trusted)
		s := serveWith(t, p, o)
		require.Equal(t, 200, s.post(oneRequest).status)
		for n := range 5 {
			for _, header := range forgeries(n) {
				require.Equal(t, 429, s.post(oneRequest, header...).status, header)
			}
		}
		require.Len(t, p.requests, 1)
		s.stop()
		require.Equal(t, "127.0.0.1", s.log.entries(t)[1]["client"])
		require.NotContains(t, s.log.lines.String(), "198.51.100.")
	}
}

// Each client behind a trusted proxy has its own quota, and cannot change it, because its own
// entries are before those of the proxy.
func TestLimit_BehindProxy_IsPerClient(t *testing.T) {
	t.Parallel()
	p, o := answering(approved), options(t)
	o.LimitPerAddress = httpapi.Rate{Requests: 1, Window: time.Hour}
	o.TrustedProxies, _ = httpapi.ParseProxies("127.0.0.0/8")
	s := serveWith(t, p, o)
	through := func(client string, forged ...string) answer {
		return s.post(oneRequest, append(forged, "X-Forwarded-For: "+client)...)
	}
	require.Equal(t, 200, through("203.0.113.1").status)
	require.Equal(t, 200, through("203.0.113.2").status)
	require.Equal(t, 200, through("2001:db8::1").status)
	require.Equal(t, 429, through("2001:db8::2").status, "a /64 is one address")
	for n := range 5 {
		for _, header := range forgeries(n) {
			require.Equal(t, 429, through("203.0.113.1", header...).status, header)
		}
	}
	s.stop()
	require.Equal(t, "2001:db8::2", s.log.entries(t)[3]["client"])
	require.NotContains(t, s.log.lines.String(), "198.51.100.")
}

// The Go client waits as long as Retry-After says, and its payment succeeds.
func TestLimit_GoClient_WaitsAndSucceeds(t *testing.T) {
	t.Parallel()
	p, o := answering(approved), options(t)
	o.LimitPerAddress = httpapi.Rate{Requests: 1, Window: time.Minute}
	inVirtualTimeWith(t, p, o, func(dial func() *caller, log *logbook) {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial().Conn, nil }}
		defer transport.CloseIdleConnections()
		pay, err := client.New("http://localhost", client.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)
		began := time.Now()
		for i := range 3 {
			require.NoError(t, payOne(pay, "order-"+strconv.Itoa(i)))
		}
		require.Equal(t, 2*time.Minute, time.Since(began))
		require.Len(t, p.requests, 3)
		require.Len(t, log.entries(t), 5, "each but the first was refused once, and came back in time")
	})
}

// payOne has no context of the test, because that belongs to outside of the bubble.
func payOne(c *client.Client, order string) error {
	_, err := c.Pay(context.Background(), client.Payment{OrderID: order, Amount: "1.00"})
	return err
}
