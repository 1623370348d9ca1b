package httpgateway_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// An answer that switches protocols and keeps the connection open does not hold an attempt or a lookup
// beyond its timeout, and leaves no connection behind.
func TestSwitchedProtocols_OpenConnection_EndsTheCall(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, w wire) {
		t.Helper()
		for name, header := range map[string]string{"marked": mark, "unmarked": ""} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				closed := make(chan struct{}, 2)
				s := w.listen(t, func(s *wireServer, _ int64, c net.Conn) {
					r := bufio.NewReader(c)
					if s.readRequest(r) != nil {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n"+header+"Connection: Upgrade\r\nUpgrade: x\r\n\r\n")
					_, _ = io.Copy(io.Discard, r) // until the service closes the connection
					closed <- struct{}{}
				})
				g := w.gateway(t, s, longTimeout)
				began := time.Now()
				r := g.Charge(t.Context(), newCharge(t))
				require.Equal(t, payment.ClassUnknownUnanswered, r.Class, r.Message)
				require.Contains(t, r.Message, "101")
				<-closed
				require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: newCharge(t).Key}).Result)
				<-closed
				require.Less(t, time.Since(began), longTimeout)
			})
		}
	})
}
