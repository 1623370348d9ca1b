package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// The gateway is being asked while a person resolves the payment.
func TestResolve(t *testing.T) {
	t.Parallel()
	succeeded := payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-by-hand"}
	failed := payment.Outcome{State: payment.StateFailed, Reason: "the bank has no such charge"}
	for _, outcome := range []payment.Outcome{succeeded, failed} {
		t.Run(string(outcome.State), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				a.fault("LookUp", 2, fake.DelayAnswer(5*time.Second)) // asked at 12 s
				a.queue()
				a.pay()
				w.sleepUntil(15 * time.Second)
				require.NoError(t, core.Resolve(t.Context(), w.payments,
					payment.Resolution{OrderID: order, Outcome: outcome, By: "ann"}))
				w.sleepUntil(time.Minute)

				p := w.stored()
				require.Equal(t, payment.StateSucceeded, p.State, "a charge that a lookup finds always counts")
				require.Equal(t, payment.EventResolved, w.events()[0])
				require.Equal(t, "ann", w.history().Events[0].Replica)
				if outcome.State == payment.StateSucceeded {
					require.Equal(t, outcome.TransactionID, p.TransactionID)
					require.Equal(t, payment.EventDouble, w.events()[1], "a second transaction besides the person's")
					a.log.requireLine(t, "level=ERROR", "double charge", "txn-1", outcome.TransactionID)
				} else {
					require.Equal(t, "txn-1", p.TransactionID)
					require.Equal(t, payment.EventEvidence, w.events()[1])
					a.log.requireLine(t, "level=ERROR", "evidence", "txn-1")
				}
			}, append(four(fake.Timeout())[:3], fake.ChargeLate(4*time.Second))...)
		})
	}
	t.Run("refused", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			resolve := func(id payment.OrderID, o payment.Outcome) error {
				return core.Resolve(t.Context(), w.payments, payment.Resolution{OrderID: id, Outcome: o, By: "ann"})
			}
			w.replica("a").pay()
			var notUnresolved *payment.NotUnresolvedError
			require.ErrorAs(t, resolve(order, failed), &notUnresolved)
			require.Equal(t, payment.StateSucceeded, notUnresolved.State)
			require.ErrorIs(t, resolve("unknown-order", failed), ports.ErrNotFound)
			var fieldError *payment.FieldError
			require.ErrorAs(t, resolve(order, payment.Outcome{State: payment.StateDeclined}), &fieldError)
		})
	})
}
