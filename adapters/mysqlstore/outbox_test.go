package mysqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/endpoint"
	"paymentd/ports"
)

// The answer to a COMMIT is lost, or the statement itself. The change is stored once, and so are its events.
func TestOutbox_LostAnswerStoresOneEvent(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plan{
		"the answer to a COMMIT": {statement: commit},
		"the INSERT of an event": {statement: "INSERT INTO outbox", loseStatement: true},
		"the answer to that":     {statement: "INSERT INTO outbox"},
	} {
		for _, subscribed := range []endpoint.Patterns{{"payment.processing"}, {"payment.succeeded"}, {"*"}} {
			t.Run(name+" of "+subscribed.String(), func(t *testing.T) {
				t.Parallel()
				l, linked := newLink(t, migrated(t))
				s := open(t, linked, mysqlstore.Options{})
				e := endpoint.New("https://shop.example/", subscribed)
				require.NoError(t, s.Endpoints().Create(t.Context(), e))
				l.cutAt(p)
				claimed, _, err := s.Claim(t.Context(), request(t, "order-1"))
				require.NoError(t, err)
				require.NoError(t, s.Settle(t.Context(), approved(*claimed)))
				require.True(t, l.wasCut())
				want := 1
				if subscribed[0] == "*" {
					want = 2
				}
				stored, err := s.Outbox().Deliveries(t.Context(), ports.DeliveryQuery{Endpoint: e.ID, Limit: 10})
				require.NoError(t, err)
				require.Len(t, stored, want)
			})
		}
	}
}
