package httpgateway_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// TestCharge_Framing_DecidesReuse sends answers that HTTP/1.1 allows and forbids. The connection is reused only if the end
// of the answer is unambiguous.
func TestCharge_Framing_DecidesReuse(t *testing.T) {
	t.Parallel()
	interim := func(n int) string { return strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n", n) }
	const chunked = "HTTP/1.1 200 OK\r\n" + mark + "Transfer-Encoding: chunked\r\n\r\n%s\r\n"
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		for name, tt := range map[string]struct {
			answer  string
			class   payment.Class
			message string
			kept    bool
		}{
			"a length":               {whole(approved), payment.ClassApproved, "", true},
			"chunks":                 {strings.Replace(chunked, "%s", "33\r\n"+approved+"\r\n0\r\n", 1), payment.ClassApproved, "", true},
			"a torn chunk":           {strings.Replace(chunked, "%s", "33\r\n"+approved[:9], 1), payment.ClassUnknownUnanswered, "was truncated", false},
			"up to the end":          {"HTTP/1.1 200 OK\r\n" + mark + "\r\n" + approved, payment.ClassApproved, "", false},
			"HTTP/1.0":               {strings.Replace(whole(approved), "/1.1", "/1.0", 1), payment.ClassApproved, "", false},
			"its last":               {strings.Replace(whole(approved), "\r\n", "\r\nConnection: close\r\n", 1), payment.ClassApproved, "", false},
			"interim answers":        {"HTTP/1.1 100 Continue\r\n\r\n" + interim(4) + whole(approved), payment.ClassApproved, "", true},
			"a mark on interim only": {"HTTP/1.1 103 Early Hints\r\n" + mark + "\r\n" + strings.Replace(whole(approved), mark, "", 1), payment.ClassUnknownUnanswered, "not written by the gateway", true},
			"a mark in a trailer":    {"HTTP/1.1 200 OK\r\nTrailer: Idempotency-Key\r\nTransfer-Encoding: chunked\r\n\r\n33\r\n" + approved + "\r\n0\r\n" + mark + "\r\n", payment.ClassUnknownUnanswered, "not written by the gateway", true},
			"a marked 101":           {"HTTP/1.1 101 Switching Protocols\r\n" + mark + "Connection: Upgrade\r\nUpgrade: x\r\n\r\n", payment.ClassUnknownUnanswered, "101", false},
			"nothing but interim":    {interim(6), payment.ClassUnknownUnanswered, "closed before the answer was complete", false},
			"another protocol":       {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", payment.ClassUnknownUnanswered, "101", false},
			"two lengths":            {strings.Replace(whole(approved), "\r\n", "\r\nContent-Length: 3\r\n", 1), payment.ClassUnknownUnanswered, "no answer", false},
			"a long header":          {whole(approved)[:17] + "X: " + strings.Repeat("x", 70_000) + "\r\n\r\n", payment.ClassUnknownUnanswered, "header of the answer is too long", false},
			"a long body":            {whole(approved + strings.Repeat(" ", 70_000)), payment.ClassUnknownAnswered, "longer than", false},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := w.listen(t, func(s *wireServer, number int64, c net.Conn) {
					answer := tt.answer
					if number > 1 {
						answer = whole(approved)
					}
					for r := bufio.NewReader(c); s.readRequest(r) == nil; {
						_, _ = io.WriteString(c, answer)
						answer = whole(approved)
						if number == 1 && !tt.kept {
							return
						}
					}
				})
				g := w.gateway(t, s, longTimeout)
				r := g.Charge(t.Context(), newCharge(t))
				require.Equal(t, tt.class, r.Class, r.Message)
				require.Contains(t, r.Message, tt.message)
				r = g.Charge(t.Context(), newCharge(t))
				require.Equal(t, payment.ClassApproved, r.Class, r.Message)
				connections := int64(2)
				if tt.kept {
					connections = 1
				}
				require.Equal(t, connections, s.connections.Load())
			})
		}
	})
}

// Of an answer that is too long, only as much is read as is needed to detect it.
func TestCharge_EndlessAnswer_IsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		for name, framing := range map[string]string{
			"a length": "Content-Length: 1000000000000\r\n\r\n",
			"a chunk":  "Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				const buffered = 32 << 20 // more than the buffers of both ends
				swallowed := make(chan bool, 1)
				s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
					if s.readRequest(bufio.NewReader(c)) != nil {
						return
					}
					_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n"+mark+framing)
					for sent := 0; err == nil && sent < buffered; sent += 64 << 10 {
						_, err = io.WriteString(c, strings.Repeat(" ", 64<<10))
					}
					swallowed <- err == nil
				})
				r := w.gateway(t, s, longTimeout).Charge(t.Context(), newCharge(t))
				require.Equal(t, payment.ClassUnknownAnswered, r.Class, r.Message)
				require.Contains(t, r.Message, "longer than")
				require.False(t, <-swallowed)
			})
		}
	})
}
