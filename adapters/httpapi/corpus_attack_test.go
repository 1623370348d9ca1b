package httpapi_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// smuggled is a request that is hidden in another one.
const smuggled = "POST /payments/process HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
	"Content-Length: 37\r\n\r\n" + `{"order_id":"smuggled","amount":1.00}`

// old is a request of HTTP/1.0 with keep-alive.
func old(request string) string {
	return strings.Replace(strings.Replace(request, "HTTP/1.1", "HTTP/1.0", 1), "Host: x", "Host: x\r\nConnection: keep-alive", 1)
}

// twoWays are requests whose end two servers may see in different places, so that for one of them a
// second request begins in the middle of the first. Each is followed by another request.
var twoWays = []struct {
	sent   string
	status int
}{
	// Both framings at once: the chunks count (RFC 9112, section 6.1), and the connection is
	// closed.
	{framed("Content-Length: 40\r\nTransfer-Encoding: chunked", "28\r\n"+oneRequest+"\r\n0\r\n\r\n"), 200},
	{framed("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), 400},
	{framed("Content-Length: 5\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400},
	{"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 200},
	{"OPTIONS * HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 404},

	// A framing that some servers ignore.
	{framed("Transfer-Encoding : chunked\r\nContent-Length: 5", "0\r\n\r\n"), 400},
	{framed("Transfer-Encoding: \x0bchunked\r\nContent-Length: 5", "0\r\n\r\n"), 400},
	{framed("Transfer-Encoding: chunked\x00\r\nContent-Length: 5", "0\r\n\r\n"), 400},
	{framed("Transfer-Encoding: \"chunked\"\r\nContent-Length: 5", "0\r\n\r\n"), 501},
	{framed("Transfer-Encoding: chunked, identity\r\nContent-Length: 5", "0\r\n\r\n"), 501},
	{framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 5", "0\r\n\r\n"), 501},
	{framed("Transfer-Encoding: chunked\r\n Content-Length: 5", "0\r\n\r\n"), 501},
	{framed("X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), 400},
	{framed("Content-Length: 39\r\nContent-Length: 40", oneRequest), 400},
	{framed("Content-Length: 40, 5", oneRequest), 400},
	{framed("Content-Length: +40", oneRequest), 400},
	{framed("Content-Length : 40", oneRequest), 400},

	// Chunks that servers parse in different ways.
	{framed("Transfer-Encoding: chunked", "28\n"+oneRequest+"\n0\n\n"), 400},
	{framed("Transfer-Encoding: chunked", "28;a=\"\n\"\r\n"+oneRequest+"\r\n0\r\n\r\n"), 400},
	{framed("Transfer-Encoding: chunked", "0x28\r\n"+oneRequest+"\r\n0\r\n\r\n"), 400},
	{framed("Transfer-Encoding: chunked", "28\r\n"+oneRequest+"\r\n0\r\nContent-Length: 5\r\n\r\n"), 200},

	// HTTP/1.0 has no chunks.
	{old(framed("Transfer-Encoding: chunked\r\nContent-Length: 40", oneRequest)), 200},
	{old(framed("Content-Length: 40", oneRequest)), 200},

	// HTTP/2, which is not supported: its preface parses as a request with a body of "SM".
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 404},
}

// In every case, what follows the first request is not read.
func TestSmuggledRequest_IsNotRead(t *testing.T) {
	t.Parallel()
	for _, test := range twoWays {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			p := answering(approved)
			s := serve(t, p)
			conn := s.dial(test.sent + smuggled)
			defer func() { _ = conn.Close() }()
			answers := bufio.NewReader(conn)
			response, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			got := s.read(response)
			require.Equal(t, test.status, got.status, "%q %s", test.sent, got.body)
			require.True(t, got.closes)
			more, err := io.ReadAll(answers)
			if err == nil { // or a reset, because some input was not read
				require.Empty(t, string(more), "%q", test.sent)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, r := range p.requests {
				require.Equal(t, payment.OrderID("order-123"), r.OrderID, "%q", test.sent)
			}
		})
	}
}

// Folded lines and lines that end with a line feed only have the meaning that RFC 9112 allows
// (sections 5.2 and 2.2), and set no other framing.
func TestUnusualLines_NameNoOtherFraming(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{
		framed("X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 40", oneRequest),
		framed("Content-Length:\r\n 40", oneRequest),
		strings.ReplaceAll(framed("Content-Length: 40", oneRequest), "\r\n", "\n"),
	} {
		p := answering(approved)
		require.Equal(t, 200, serve(t, p).raw(sent).status, "%q", sent)
		require.Len(t, p.requests, 1)
		require.Equal(t, payment.OrderID("order-123"), p.requests[0].OrderID)
	}
}

// Client input that is returned cannot inject a line into the response or the log.
func TestClientInput_InjectsNoLine(t *testing.T) {
	t.Parallel()
	const evil = "\r\nX-Injected: 1\r\n\r\n<script>"
	encoded := strings.NewReplacer("\r", "%0d", "\n", "%0a", " ", "%20", ":", "%3a", "<", "%3c", ">", "%3e").Replace(evil)
	inJSON := strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(evil)
	p := answering(approved)
	s := serve(t, p)
	for sent, status := range map[string]int{
		"GET /payments/a" + encoded + " HTTP/1.1\r\nHost: x\r\n\r\n":                                          400,
		"GET /payments?state=" + encoded + " HTTP/1.1\r\nHost: x\r\n\r\n":                                     400,
		"GET /payments?" + encoded + "=1 HTTP/1.1\r\nHost: x\r\n\r\n":                                         400,
		"GET /payments?cursor=" + encoded + " HTTP/1.1\r\nHost: x\r\n\r\n":                                    400,
		"GET /" + encoded + " HTTP/1.1\r\nHost: x\r\n\r\n":                                                    404,
		"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a" + encoded + "\r\n\r\n":                          200,
		"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n X-Injected: 1\r\n\r\n":                       200,
		"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rX-Injected: 1\r\n\r\n":                          400,
		"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\nX-Injected: 1\n\r\n":                            200,
		"GET /payments HTTP/1.1\r\nHost: x\r\nAccept: application/problem+json;" + encoded + "\r\n\r\n":       200,
		"TRACE /payments HTTP/1.1\r\nHost: x\r\nX-Injected: 1\r\n\r\n":                                        405,
		framed("Content-Length: 72", `{"order_id":"a`+inJSON+`","amount":1.00}`+strings.Repeat(" ", 10)):      400,
		framed("Content-Length: 40\r\nPrefer: wait=5"+encoded, oneRequest):                                    200,
		framed("Content-Length: 40\r\nPrefer: wait=\"5"+encoded+"\"", oneRequest):                             200,
		framed("Content-Length: 40\r\nContent-Type: text/html"+encoded, oneRequest):                           415,
		framed("Content-Length: 62", `{"order_id":"a","amount":1.00,"b`+inJSON+`":1}`+strings.Repeat(" ", 9)): 400,
	} {
		got := s.raw(sent)
		require.Equal(t, status, got.status, "%q %s", sent, got.body)
		require.Empty(t, got.header.Values("X-Injected"), "%q", sent)
		require.NotContains(t, got.body, "\nX-Injected", "%q", sent)
		if strings.Contains(got.body, "<script>") { // as JSON, which browsers do not render
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
		}
	}
	s.stop()
	s.log.entries(t) // each line is one JSON object
	require.NotContains(t, s.log.lines.String(), "\nX-Injected")
	require.Empty(t, p.lookedUp)
}

// Paths that other servers normalize are used literally.
func TestPath_IsUsedLiterally(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serve(t, p)
	long := "/payments/" + strings.Repeat("../", 2000)
	for _, target := range []string{
		"//payments/process", "/payments//process", "/./payments/process", "/docs/../payments/process",
		"/docs/%2e%2e/payments/process", "/docs/..%2fpayments%2fprocess", "/docs/..;/payments/process",
		"/healthz/../payments/process", "/%2e/payments/process", "/payments%2Fprocess", "/payments%5Cprocess",
		"/payments\\process", "\\payments\\process", "/payments/process/.", "/payments/process/..",
		"/payments/process%2F..", "/payments/process%20", "/payments/process%0a", "/payments/process%00.json",
		"/PAYMENTS/process", "/%70ayments/process", "/payments/%2570rocess", "/payments/process#x", "/payments/process;v=1",
		"*", "payments:1/process", "http://x/payments/process/../x", "///payments/process", "/payments/\u202eprocess", long,
	} {
		got := s.raw(atTarget(target))
		require.Contains(t, []int{400, 404, 405}, got.status, "%.100q %s", target, got.body)
	}
	require.Empty(t, p.requests)
}
