package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	saysMediaType = "the header Content-Type must be given once, as application/json"
	saysCoding    = "the body must be sent without Content-Encoding"
	saysTooLarge  = "the body must have at most 65536 bytes"
	saysUnread    = "the body is incomplete; send as much as Content-Length or the chunks announce"
	saysNoQuery   = "this path takes no query string; put order_id, amount, currency, payment_method and capture into the JSON body"
	saysNoPath    = "there is no such path; in an order id, write / as %2F"
	// saysNetHTTP stands for a plain-text response of net/http itself.
	saysNetHTTP = ""
)

// httpRequest is a request to charge as bytes, with these lines instead of its Content-Type.
func httpRequest(lines ...string) string {
	return fmt.Sprintf("POST /payments/process HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n\r\n%s",
		len(oneRequest), strings.Join(lines, "\r\n"), oneRequest)
}

// framed is a request with all its framing given.
func framed(framing, body string) string {
	return "POST /payments/process HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + framing + "\r\n\r\n" + body
}

func atTarget(target string) string {
	return strings.Replace(httpRequest("Content-Type: application/json"), "/payments/process", target, 1)
}

func looking(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

// malformedRequests are refused as they are here, byte for byte.
var malformedRequests = []struct {
	sent     string
	status   int
	sentence string
}{
	// Media types and content codings.
	{httpRequest("X: y"), 415, saysMediaType},
	{httpRequest("Content-Type:"), 415, saysMediaType},
	{httpRequest("Content-Type: json"), 415, saysMediaType},
	{httpRequest("Content-Type: text/json"), 415, saysMediaType},
	{httpRequest("Content-Type: text/plain"), 415, saysMediaType},
	{httpRequest("Content-Type: application/x-www-form-urlencoded"), 415, saysMediaType},
	{httpRequest("Content-Type: application/problem+json"), 415, saysMediaType},
	{httpRequest("Content-Type: application/jsonp"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json, text/plain"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json", "Content-Type: application/json"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json; charset=utf-16"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json; charset=latin1"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json; charset"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json; version=1"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json; charset=utf-8; charset=utf-16"), 415, saysMediaType},
	{httpRequest("Content-Type: application/*"), 415, saysMediaType},
	{httpRequest("Content-Type: */*"), 415, saysMediaType},
	{httpRequest("Content-Type: application/json", "Content-Encoding: gzip"), 415, saysCoding},
	{httpRequest("Content-Type: application/json", "Content-Encoding: br, identity"), 415, saysCoding},
	{httpRequest("Content-Type: application/json", "Content-Encoding: identity", "Content-Encoding: gzip"), 415, saysCoding},
	{httpRequest("Content-Type: application/json", "Content-Encoding: utf-8"), 415, saysCoding},
	{httpRequest("Content-Type: text/plain", "Expect: 100-continue"), 415, saysMediaType},

	// Bodies that are too large or truncated.
	{framed("Content-Length: 65537", ""), 413, saysTooLarge},
	{framed("Content-Length: 9223372036854775807", ""), 413, saysTooLarge},
	{framed("Content-Length: 65537\r\nExpect: 100-continue", ""), 413, saysTooLarge},
	{framed("Transfer-Encoding: chunked", "10001\r\n"+strings.Repeat(" ", 65537)), 413, saysTooLarge},
	{framed("Transfer-Encoding: chunked", "x\r\n"+oneRequest), 400, saysUnread},
	{framed("Transfer-Encoding: chunked", "-1\r\n"+oneRequest), 400, saysUnread},
	{framed("Transfer-Encoding: chunked", "28 \r\n"+oneRequest+"!!0\r\n\r\n"), 400, saysUnread},
	{framed("Transfer-Encoding: chunked", "ffffffffffffffffff\r\n"), 400, saysUnread},
	{framed("Transfer-Encoding: chunked", "28;"+strings.Repeat("x", 5000)+"\r\n"+oneRequest), 400, saysUnread},
	{framed("Transfer-Encoding: chunked", "0\r\n\r\n"), 400, saysEmpty},
	{framed("Content-Length: 0", ""), 400, saysEmpty},
	{framed("X: no framing at all", ""), 400, saysEmpty},
	{framed("Content-Length: 39", oneRequest), 400, saysEnds},

	// Query strings, and similar paths.
	{atTarget("/payments/process?amount=1"), 400, saysNoQuery},
	{atTarget("/payments/process?order_id=x&amount=1"), 400, saysNoQuery},
	{atTarget("/payments/process??"), 400, saysNoQuery},
	{atTarget("/payments/process?%zz"), 400, saysNoQuery},
	{atTarget("http://other.example/payments/process?x"), 400, saysNoQuery},
	{atTarget("/payments/process/"), 404, saysNoPath},
	{atTarget("/payments/./process"), 404, saysNoPath},
	{atTarget("//payments/process"), 404, saysNoPath},
	{atTarget("/payments%2fprocess"), 404, saysNoPath},
	{atTarget("/x/../payments/process"), 404, saysNoPath},
	{atTarget("/PAYMENTS/PROCESS"), 404, saysNoPath},
	{atTarget("/payments/process%00"), 405, "the path does not take this method; use one of those in the Allow header"},
	{atTarget("/payments/process;a=b"), 405, "the path does not take this method; use one of those in the Allow header"},

	// Order ids to look up.
	{looking("/payments/%20"), 400, saysCharacters},
	{looking("/payments/a%20b"), 400, saysCharacters},
	{looking("/payments/a%00"), 400, saysCharacters},
	{looking("/payments/%7F"), 400, saysCharacters},
	{looking("/payments/%C3%B6"), 400, saysCharacters},
	{looking("/payments/\xc3\xb6"), 400, saysCharacters},
	{looking("/payments/%FF"), 400, saysCharacters},
	{looking("/payments/%0d%0aSet-Cookie:x"), 400, saysCharacters},
	{looking("/payments/" + strings.Repeat("x", 129)), 400, "order_id must have at most 128 characters"},
	{looking("/payments/" + strings.Repeat("%2F", 129)), 400, "order_id must have at most 128 characters"},
	{looking("/payments/a/b"), 404, saysNoPath},
	{looking("/payments/"), 404, saysNoPath},

	// net/http responds to what is not HTTP before the API does.
	{looking("/payments/%"), 400, saysNetHTTP},
	{looking("/payments/%2"), 400, saysNetHTTP},
	{looking("/payments/%zz"), 400, saysNetHTTP},
	{looking("/payments/a b"), 400, saysNetHTTP},
	{looking("/payments/\x01"), 400, saysNetHTTP},
	{looking("payments"), 400, saysNetHTTP},
	{"\r\n\r\n\r\n", 400, saysNetHTTP},
	{"hello\r\n\r\n", 400, saysNetHTTP},
	{"POST /payments/process\r\n\r\n", 400, saysNetHTTP},
	{"POST /payments/process HTTP/2.0\r\nHost: x\r\n\r\n", 505, saysNetHTTP},
	{"POST /payments/process HTTP/1.1\r\n\r\n", 400, saysNetHTTP},
	{"POST /payments/process HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, saysNetHTTP},
	{"POST /payments/process HTTP/1.1\r\nHost: a b\r\n\r\n", 400, saysNetHTTP},
	{"PO ST /payments/process HTTP/1.1\r\nHost: x\r\n\r\n", 400, saysNetHTTP},
	{"POST(/payments/process HTTP/1.1\r\nHost: x\r\n\r\n", 400, saysNetHTTP},
	{httpRequest("Content-Type : application/json"), 400, saysNetHTTP},
	{httpRequest(" Content-Type: application/json"), 400, saysNetHTTP},
	{httpRequest("Content-Type: application/json\x00"), 400, saysNetHTTP},
	{httpRequest("Content Type: application/json"), 400, saysNetHTTP},
	{httpRequest("no colon"), 400, saysNetHTTP},
	{httpRequest(": no name"), 400, saysNetHTTP},
	{httpRequest("Expect: 200-ok", "Content-Type: application/json"), 417, saysNetHTTP},
	{httpRequest("X: " + strings.Repeat("x", 16<<10)), 431, saysNetHTTP},
	{looking("/payments/" + strings.Repeat("x", 16<<10)), 431, saysNetHTTP},
	{httpRequest(strings.TrimSuffix(strings.Repeat("X: y\r\n", 5000), "\r\n")), 431, saysNetHTTP},
	{framed("Content-Length: 39\r\nContent-Length: 40", oneRequest), 400, saysNetHTTP},
	{framed("Content-Length: 40, 41", oneRequest), 400, saysNetHTTP},
	{framed("Content-Length: -1", oneRequest), 400, saysNetHTTP},
	{framed("Content-Length: +40", oneRequest), 400, saysNetHTTP},
	{framed("Content-Length: 0x28", oneRequest), 400, saysNetHTTP},
	{framed("Content-Length: 99999999999999999999", oneRequest), 400, saysNetHTTP},
	{framed("Transfer-Encoding: gzip, chunked", oneRequest), 501, saysNetHTTP},
	{framed("Transfer-Encoding: identity", oneRequest), 501, saysNetHTTP},
	{framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", oneRequest), 501, saysNetHTTP},
	{framed("Transfer-Encoding: xchunked", oneRequest), 501, saysNetHTTP},
}

func TestMalformedRequest_IsRefused(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serve(t, p)
	for _, test := range malformedRequests {
		got := s.raw(test.sent)
		require.Equal(t, test.status, got.status, "%.300q", test.sent)
		if test.sentence == saysNetHTTP {
			require.NotEqual(t, "application/json", got.header.Get("Content-Type"), "%.300q", test.sent)
			continue
		}
		require.Equal(t, test.sentence, got.sentence(t), "%.300q", test.sent)
	}
	p.requireUntouched(t)
}

// A truncated body gets a response, although usually the client has disconnected.
func TestTruncatedBody_IsRefused(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serve(t, p)
	for _, framing := range []string{"Content-Length: 41", "Transfer-Encoding: chunked"} {
		got := s.rawAndStop(framed(framing, oneRequest))
		require.Equal(t, 400, got.status)
		require.Equal(t, saysUnread, got.sentence(t))
	}
	p.requireUntouched(t)
}

// These are unusual but unambiguous.
func TestUnusualRequest_Unambiguous_IsAccepted(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{
		atTarget("/payments/process?"),
		atTarget("http://other.example/payments/process"),
		framed("Content-Length: 40\r\nContent-Length: 40", oneRequest),
		framed("Transfer-Encoding: chunked", "28;x=y\r\n"+oneRequest+"\r\n0\r\nTrailer: x\r\n\r\n"),
		framed("Transfer-Encoding: Chunked", "14\r\n"+oneRequest[:20]+"\r\n14\r\n"+oneRequest[20:]+"\r\n0\r\n\r\n"),
		strings.Replace(httpRequest("Content-Type: application/json"), "HTTP/1.1", "HTTP/1.0", 1),
	} {
		p := answering(approved)
		got := serve(t, p).raw(sent)
		require.Equal(t, 200, got.status, "%q %s", sent, got.body)
		require.Len(t, p.requests, 1)
	}
}
