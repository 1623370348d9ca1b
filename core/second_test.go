package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// chargeAgain charges the world's order at its gateway a second time, as another program would, and returns that
// charge.
func (w *world) chargeAgain(key payment.GatewayKey) core.SecondCharge {
	w.t.Helper()
	r := w.gateway.Charge(w.t.Context(), payment.Charge{Key: key, OrderID: order, Money: money("100.00", "USD")})
	require.Equal(w.t, payment.ClassApproved, r.Class)
	return core.SecondCharge{ChargeID: payment.ChargeID{Key: key, TransactionID: r.TransactionID}, ChargedAt: time.Now()}
}

// secondByHand is what an operator requests for a second charge.
func (w *world) secondByHand(amount string) payment.ClaimRequest {
	r := w.refundByHand("", amount)
	r.Operation = payment.OperationID{}
	return r
}

// refundSecond requests the refund of a second charge, with the world's gateway to ask.
func (w *world) refundSecond(r payment.ClaimRequest, second core.SecondCharge) (payment.Payment, error) {
	return core.RequestSecondRefund(w.t.Context(), w.payments, []core.Prover{w.gateway.WithList()}, r, second)
}

// A second charge that only the gateway has is recorded and given back once, and the payment is refunded as before.
func TestRequestSecondRefund_OnlyTheGatewayHasTheCharge(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, a *replica) {
		a.queue()
		own, second := w.stored(), w.chargeAgain("key-second")
		_, err := w.refundSecond(w.secondByHand(""), core.SecondCharge{ChargeID: payment.ChargeID{TransactionID: second.TransactionID}})
		require.ErrorContains(t, err, "give its gateway key")
		for range 3 {
			p, err := w.refundSecond(w.secondByHand(""), second)
			require.NoError(t, err)
			require.Equal(t, "100.00 USD", p.Money.String())
			time.Sleep(time.Minute)
		}
		require.Equal(t, int64(10000), w.gateway.RefundedOf(second.Key))
		require.Zero(t, w.gateway.RefundedOf(own.GatewayKey))
		require.Equal(t, []payment.EventKind{payment.EventDouble}, w.events())
		require.Equal(t, "ann", w.history().Events[0].Replica)
		require.Zero(t, w.stored().RefundReserved)

		refund := w.history().Operations[0]
		require.Equal(t, payment.StateSucceeded, refund.Payment.State)
		require.Equal(t, "ann", refund.Events[0].Replica)
		require.Equal(t, payment.StateSucceeded, a.refund("r-1", "").State, "the payment itself can be refunded")
		require.Equal(t, int64(10000), w.gateway.RefundedOf(own.GatewayKey))
		require.Equal(t, int64(10000), w.gateway.RefundedOf(second.Key))
	})
}

// The refund has the life of any other: a lost answer is looked up, and a decline can be repeated.
func TestRequestSecondRefund_DoubtAndDecline(t *testing.T) {
	for name, script := range map[string][]fake.Step{
		"lost answers": four(fake.LoseAnswer()), "declined": {fake.Decline("insufficient_funds")},
	} {
		t.Run(name, func(t *testing.T) {
			inPaidWorld(t, func(t *testing.T, w *world, a *replica) {
				a.queue()
				second := w.chargeAgain("key-second")
				w.gateway.Script(order, script...)
				for range 3 {
					_, err := w.refundSecond(w.secondByHand(""), second)
					require.NoError(t, err)
					time.Sleep(10 * time.Minute)
				}
				p := w.history().Operations[0].Payment
				require.Equal(t, payment.StateSucceeded, p.State)
				require.Equal(t, int64(10000), w.gateway.RefundedOf(second.Key))
				require.Zero(t, w.stored().RefundReserved)
			})
		})
	}
}

// What the gateway does not confirm, and what is not a second charge, records and refunds nothing.
func TestRequestSecondRefund_NotConfirmed_StoresNothing(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, a *replica) {
		second := w.chargeAgain("key-second")
		require.Equal(t, payment.StateSucceeded, a.pay(forOrder("order-other")).State)
		other, err := w.payments.Find(t.Context(), "order-other")
		require.NoError(t, err)
		before := w.history()
		for want, of := range map[string]payment.ChargeID{
			"no gateway confirms that transaction txn-99": {Key: second.Key, TransactionID: "txn-99"},
			"nothing was stored":                          {Key: "key-none", TransactionID: second.TransactionID},
			"100.00 USD for the order order-other":        {Key: other.GatewayKey, TransactionID: other.TransactionID},
			"that of the payment itself":                  {Key: before.Payment.GatewayKey, TransactionID: before.Payment.TransactionID},
		} {
			_, err := w.refundSecond(w.secondByHand(""), core.SecondCharge{ChargeID: of, ChargedAt: second.ChargedAt})
			require.ErrorContains(t, err, want)
		}
		for want, at := range map[string]time.Time{"--charged-at": {}, "does not have the charge at": second.ChargedAt.Add(time.Hour)} {
			_, err := w.refundSecond(w.secondByHand(""), core.SecondCharge{ChargeID: second.ChargeID, ChargedAt: at})
			require.ErrorContains(t, err, want)
		}
		unnamed := w.secondByHand("")
		unnamed.By = ""
		_, err = w.refundSecond(unnamed, second)
		require.ErrorContains(t, err, "operator")
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		_, err = w.refundSecond(w.secondByHand(""), second)
		require.ErrorContains(t, err, "no gateway confirms")
		after := w.history()
		after.Payment.SeenAt = before.Payment.SeenAt
		require.Equal(t, before, after)
		_, err = w.refundSecond(w.secondByHand("100.01"), second)
		require.Error(t, err)
	})
}
