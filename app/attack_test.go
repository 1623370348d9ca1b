package app_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

const (
	attackers = 200
	// bytesPerAttacker bounds the memory of a connection: buffers and stacks, a header of 16 KiB before and after
	// parsing, and a body of 64 KiB in a growing buffer.
	bytesPerAttacker = 128 << 10
	// bytesLeft bounds the memory that remains after all attackers have disconnected: stacks and pools.
	bytesLeft = 4 << 20

	attackKey = "key-of-the-shop-0123"
)

// attack is what each attacker sends on a separate connection.
type attack struct {
	name string
	send func(io.Writer) error
	// want is a part of the first line of the answer; empty if there is no answer while the client is connected.
	want string
}

func sending(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// flood sends first, and then again repeatedly until it has sent this many bytes or the server has closed the
// connection.
func flood(first, again string, bytes int) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := io.WriteString(w, first); err != nil {
			return err
		}
		block := strings.Repeat(again, 1+(32<<10)/len(again))
		for sent := 0; sent < bytes && trySend(w, block); sent += len(block) {
		}
		return nil
	}
}

// trySend sends a text, and reports whether the connection is still open.
func trySend(w io.Writer, text string) bool {
	_, err := io.WriteString(w, text)
	return err == nil
}

const attackHead = "POST /payments/process HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + attackKey + "\r\n"

const attackBody = `{"order_id":"attack","amount":1.00}`

var attacks = []attack{
	{name: "silence", send: sending("")},
	{name: "a header that does not end", send: sending(attackHead)},
	{name: "a body that does not end", send: flood(attackHead+"Content-Length: 65536\r\n\r\n", " ", 32<<10)},
	{name: "chunks that do not end", send: sending(attackHead + "Transfer-Encoding: chunked\r\n\r\n23\r\n" + attackBody + "\r\n")},
	{name: "a body shorter than its Content-Length", send: sending(attackHead + "Content-Length: 36\r\n\r\n" + attackBody)},
	{name: "an answer that is not read", send: sending("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n")},
	{name: "no key", send: sending("POST /payments/process HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 35\r\n\r\n" + attackBody), want: " 401 "},
	{name: "a wrong key", send: sending(strings.Replace(attackHead, attackKey, attackKey[:19]+"4", 1) + "Content-Length: 35\r\n\r\n" + attackBody), want: " 401 "},
	{name: "a body that is too large, with its Content-Length", send: flood(attackHead+"Content-Length: 1073741824\r\n\r\n", " ", 512<<10), want: " 413 "},
	{name: "a body that is too large, in chunks", send: flood(attackHead+"Transfer-Encoding: chunked\r\n\r\n", "400\r\n"+strings.Repeat(" ", 1024)+"\r\n", 512<<10), want: " 413 "},
	{name: "a chunk with a long name", send: flood(attackHead+"Transfer-Encoding: chunked\r\n\r\n23;", "x", 512<<10), want: " 400 "},
	{name: "a long request line", send: flood("GET /payments/", "x", 512<<10), want: " 431 "},
	{name: "one large header", send: flood(attackHead+"X: ", "x", 512<<10), want: " 431 "},
	{name: "many headers", send: flood(attackHead, "X: y\r\n", 512<<10), want: " 431 "},
	{name: "many names of headers", send: func(w io.Writer) error {
		if _, err := io.WriteString(w, attackHead); err != nil {
			return err
		}
		for i := 0; i < 50_000 && trySend(w, fmt.Sprintf("X-%d: y\r\n", i)); i++ {
		}
		return nil
	}, want: " 431 "},
	{name: "TLS", send: sending("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), want: " 400 "},
}

// attacked is a process that is attacked.
type attacked struct {
	*apptest.Process

	addr, profiles string
}

// heap returns the bytes of live objects and stacks of the process.
func (a attacked) heap(t *testing.T) int64 {
	t.Helper()
	for range 2 { // objects in a sync.Pool are collected by the second cycle
		require.Equal(t, http.StatusOK, apptest.Get(t.Context(), a.profiles, "/debug/pprof/heap?gc=1").Code)
	}
	var vars struct {
		Memstats struct{ HeapAlloc, StackInuse int64 }
	}
	require.NoError(t, json.Unmarshal([]byte(apptest.Get(t.Context(), a.profiles, "/debug/vars").Raw), &vars))
	return vars.Memstats.HeapAlloc + vars.Memstats.StackInuse
}

var goroutineTotal = regexp.MustCompile(`^goroutine profile: total (\d+)`)

// goroutines returns the number of goroutines of the process, at least one per connection.
func (a attacked) goroutines(t *testing.T) int {
	t.Helper()
	found := goroutineTotal.FindStringSubmatch(apptest.Get(t.Context(), a.profiles, "/debug/pprof/goroutine?debug=1").Raw)
	require.NotNil(t, found)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// mount connects all attackers, sends the attack, waits for the expected answers, and returns the connections.
func (a attacked) mount(t *testing.T, what attack) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, attackers)
	wrong := make(chan error, attackers)
	gate := make(chan struct{}, 32) // bounds the concurrency, because other tests share the machine
	var done sync.WaitGroup
	for i := range attackers {
		done.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			conn, err := net.Dial("tcp", a.addr)
			if err == nil {
				conns[i] = conn
				err = errors.Join(what.send(conn), what.answered(conn))
			}
			wrong <- err
		})
	}
	done.Wait()
	close(wrong)
	for err := range wrong {
		require.NoError(t, err)
	}
	return conns
}

// answered returns an error unless the client gets the expected answer. A client that is disconnected while it
// sends may get a reset instead.
func (what attack) answered(conn net.Conn) error {
	if what.want == "" {
		return nil
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.Contains(line, what.want) {
		return fmt.Errorf("the answer is %q, not%s", line, what.want)
	}
	if err != nil && !strings.Contains(err.Error(), "reset") && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// TestAttacks attacks a process with hundreds of concurrent clients. No attack reaches the gateway or the
// database, the memory of the process stays bounded and is released afterwards, and other clients are served.
func TestAttacks(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	profiles := apptest.FreeAddress(t)
	p := serve(t, env{
		"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_API_KEYS": attackKey, "PAYMENTD_PPROF_ADDR": profiles,
		"PAYMENTD_LIMIT_PER_ADDRESS": "1000000/s", "PAYMENTD_LIMIT_PER_KEY": "1000000/s",
	})
	a := attacked{p, strings.TrimPrefix(p.URL, "http://"), "http://" + profiles}
	bearer := []string{"Authorization", "Bearer " + attackKey}
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-0", "1.00", bearer...).Code)
	quiet := a.goroutines(t) + 8

	for i, what := range attacks {
		before := a.heap(t)
		conns := a.mount(t, what)
		during := a.heap(t)
		require.Less(t, during, before+attackers*bytesPerAttacker, what.name)

		order := "order-" + strconv.Itoa(i+1)
		require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, order, "1.00", bearer...).Code, what.name)
		require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/readyz"), what.name)
		for _, conn := range conns {
			_ = conn.Close()
		}
		apptest.Eventually(t, time.Minute, func() error {
			if n := a.goroutines(t); n > quiet {
				return fmt.Errorf("%s: %d goroutines are left", what.name, n)
			}
			return nil
		})
		after := a.heap(t)
		require.Less(t, after, before+bytesLeft, what.name)
		t.Logf("%s: %d KiB for each attacker, %d KiB left", what.name, (during-before)>>10/attackers, (after-before)>>10)
	}

	require.Empty(t, gateway.Calls("attack"))
	require.Len(t, gateway.Charges(), len(attacks)+1)
	list := apptest.Get(t.Context(), p.URL, "/payments?limit=200", bearer...)
	require.Equal(t, len(attacks)+1, strings.Count(list.Raw, `"order_id"`))
	require.NotContains(t, list.Raw, "attack")
	require.NotContains(t, p.Log(), attackKey)
	require.Zero(t, p.Stop(t))
}

// TestAttacks_GuessedValues_UseNoMemory tries thousands of keys, paths, methods and names, which neither the
// limits nor the metrics may keep.
func TestAttacks_GuessedValues_UseNoMemory(t *testing.T) {
	t.Parallel()

	profiles := apptest.FreeAddress(t)
	p := serve(t, env{
		"PAYMENTD_API_KEYS": attackKey, "PAYMENTD_PPROF_ADDR": profiles, "PAYMENTD_LOG_LEVEL": "error",
		"PAYMENTD_LIMIT_PER_ADDRESS": "10/h", "PAYMENTD_LIMIT_PER_KEY": "10/h", "PAYMENTD_TRUSTED_PROXIES": "127.0.0.1",
	})
	a := attacked{p, strings.TrimPrefix(p.URL, "http://"), "http://" + profiles}
	conn, err := net.Dial("tcp", a.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	answers := bufio.NewReader(conn)
	statuses := make(map[int]int)
	guess := func(n int) {
		for _, line := range []string{"GET /payments/%[1]d", "GET /payments?state=%[1]d", "M%[1]d /payments", "GET /%[1]d"} {
			_, err := fmt.Fprintf(conn, line+" HTTP/1.1\r\nHost: h%[1]d\r\nAuthorization: Bearer %[1]d\r\nX-Request-Id: %[1]d\r\n"+
				"X-%[1]d: y\r\nX-Forwarded-For: 2001:db8:%[2]x:%[3]x::1\r\n\r\n", n, n>>16, n&0xffff)
			require.NoError(t, err)
			response, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			statuses[response.StatusCode]++
			if response.Close { // after a wrong key
				require.NoError(t, conn.Close())
				conn, err = net.Dial("tcp", a.addr)
				require.NoError(t, err)
				answers = bufio.NewReader(conn)
			}
		}
	}
	guess(0)
	before, series := a.heap(t), strings.Count(apptest.Get(t.Context(), p.URL, "/metrics", "Authorization", "Bearer "+attackKey).Raw, "\n")
	for n := range 1000 {
		guess(n)
	}
	require.Less(t, a.heap(t), before+bytesLeft)
	require.InDelta(t, series, strings.Count(apptest.Get(t.Context(), p.URL, "/metrics", "Authorization", "Bearer "+attackKey).Raw, "\n"), 100)
	require.Zero(t, statuses[http.StatusOK])
	require.Zero(t, statuses[http.StatusInternalServerError])
}

// TestMaxConnections_OneMore_Waits opens one connection more than allowed, which is served only after another
// one is closed.
func TestMaxConnections_OneMore_Waits(t *testing.T) {
	t.Parallel()

	const maxConns = 20
	p := apptest.Start(t, apptest.Build(t), env{"PAYMENTD_MAX_CONNECTIONS": strconv.Itoa(maxConns)}, "serve")
	p.WaitReady(t)
	apptest.CloseIdle()
	addr := strings.TrimPrefix(p.URL, "http://")
	ask := func(conn net.Conn) {
		_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
	}
	receive := func(conn net.Conn) {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	conns := make([]net.Conn, maxConns+1)
	for i := range conns {
		var err error
		conns[i], err = net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conns[i].Close() })
		ask(conns[i])
		if i < maxConns {
			receive(conns[i])
		}
	}
	waiting := conns[maxConns]
	require.NoError(t, waiting.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	_, err := waiting.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	ask(conns[1]) // open connections are served
	receive(conns[1])
	require.NoError(t, conns[0].Close())
	require.NoError(t, waiting.SetReadDeadline(time.Time{}))
	receive(waiting)
}

// TestRateLimits_PerAddressAndKey checks that the settings take effect. The test acts as the proxy.
func TestRateLimits_PerAddressAndKey(t *testing.T) {
	t.Parallel()

	const other = "key-of-another-01234"
	gateway := apptest.StartGateway(t)
	p := serve(t, env{
		"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_API_KEYS": attackKey + "," + other,
		"PAYMENTD_LIMIT_PER_ADDRESS": "3/h", "PAYMENTD_LIMIT_PER_KEY": "4/h", "PAYMENTD_TRUSTED_PROXIES": "127.0.0.0/8",
	})
	orders := 0
	pay := func(key, client string) int {
		orders++
		return apptest.Pay(t.Context(), p.URL, "order-"+strconv.Itoa(orders), "1.00",
			"Authorization", "Bearer "+key, "X-Forwarded-For", client, "X-Real-Ip", strconv.Itoa(orders)).Code
	}
	for _, step := range []struct {
		key, client string
		status      int
	}{
		{attackKey, "198.51.100.1", 200},
		{attackKey, "203.0.113.9, 198.51.100.1", 200},
		{"guess", "198.51.100.1", 401},
		{attackKey, "203.0.113.10, 198.51.100.1", 429}, // limit of the address
		{other, "198.51.100.1", 429},
		{attackKey, "198.51.100.2", 200},
		{attackKey, "198.51.100.2", 200},
		{attackKey, "198.51.100.2", 429}, // limit of the key
		{attackKey, "198.51.100.3", 429},
		{other, "198.51.100.3", 200},
	} {
		require.Equal(t, step.status, pay(step.key, step.client), "%+v", step)
	}
	require.Len(t, gateway.Charges(), 5)
}
