package properties_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

// refundedCharge is a succeeded charge of 100.00 with several refunds. Each refund is a [world] of its own: its
// requests, workers, lookups, operators and attempts at the gateway know nothing of those of the others. They share
// the charge's row, which is locked for each change.
type refundedCharge struct {
	charge  payment.Payment
	refunds []*world
}

// refund is one of the refunds of a charge.
type refund struct {
	of   *refundedCharge
	name string
}

// TestRefunds_NeverGiveBackMoreThanWasTaken lets several refunds of one charge live at once, in every order of
// events. What is reserved is exactly what may have moved, or may still move.
func TestRefunds_NeverGiveBackMoreThanWasTaken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		on := newRefundedCharge(t)
		actions := map[string]func(*rapid.T){"": on.requireReserved}
		for i, w := range on.refunds {
			for name, act := range map[string]func(*rapid.T){
				"claim": w.claim, "pick up": w.pickUp, "pick up a key": w.pickUpKey,
				"send": w.send, "renew": w.renew, "conclude": w.conclude,
				"record": w.record, "record twice": w.recordTwice, "lose worker": w.die, "expire": w.expire,
				"resolve": w.resolve, "round": w.round, "reconcile": w.reconcile, "reconcile again": w.reconcile,
				"wait": w.wait, "step clock": w.stepClock, "return": w.returnMoney, "event": w.notify,
			} {
				actions[fmt.Sprintf("refund %d: %s", i+1, name)] = act
			}
		}
		t.Repeat(actions)
	})
}

func newRefundedCharge(t *rapid.T) *refundedCharge {
	a := claimRequest(t, "key-charge")
	a.Worker = noon
	p := a.Open(noon)
	d, err := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(payment.ClassApproved)), Worker: noon,
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-charge"},
	}.Apply(p, noon)
	require.NoError(t, err)
	on := &refundedCharge{charge: d.Payment}
	r := rules()
	r.Operations = payment.OperationRefund
	r.SavesDeclines = rapid.Bool().Draw(t, "saves declines")
	r.Repeat = rapid.SampledFrom(repeats).Draw(t, "repeat")
	for i := range 3 {
		on.refunds = append(on.refunds, &world{now: noon, rules: r, refund: &refund{on, fmt.Sprintf("r-%d", i+1)}})
	}
	return on
}

// claimRefund requests the refund, of the amount of an earlier request or of any other.
func (w *world) claimRefund(t *rapid.T, a payment.ClaimRequest) {
	a.Operation = payment.OperationID{Kind: payment.KindRefund, Name: w.refund.name}
	a.NewKey = payment.GatewayKey(w.refund.name) + "-" + a.NewKey
	a.Money = payment.Money{}
	if w.stored && rapid.IntRange(0, 4).Draw(t, "the same amount") > 0 {
		a.Money = w.payment.Money
	} else if minor := rapid.SampledFrom([]int64{0, 1, 3000, 5000, 10000, 10001}).Draw(t, "amount"); minor > 0 {
		var err error
		a.Money, err = payment.MoneyFromMinor(minor, w.refund.of.charge.Money.Currency())
		require.NoError(t, err)
	}
	var stored *payment.Payment
	if w.stored {
		p := w.payment
		stored = &p
	}
	d, err := a.DecideOperation(w.refund.of.charge, stored, w.databaseNow())
	if err != nil {
		require.ErrorAs(t, err, new(*payment.OperationRefusedError))
		require.False(t, d.Write)
		return
	}
	if stored == nil {
		w.payment.Money = d.Payment.Money
	}
	reserved, again := w.refund.of.charge.RefundReserved, d
	again.Charge = nil
	if stored != nil {
		require.Equal(t, again.Account(w.refund.of.charge, *stored).Charge, d.Charge)
	}
	w.store(t, d)
	w.stored = true
	if now := w.refund.of.charge.RefundReserved; now > reserved {
		require.LessOrEqual(t, now, w.refund.of.charge.Money.Minor(), "a claim reserves more than was taken")
	}
	w.work(t, d)
}

// account stores what a change of the refund changes of its charge.
func (w *world) account(t *rapid.T, d payment.Decision) {
	before := w.payment
	if !w.stored {
		before = payment.Payment{}
	}
	d = d.Account(w.refund.of.charge, before)
	if d.Charge == nil {
		return
	}
	was := w.refund.of.charge
	w.refund.of.charge = *d.Charge
	if d.Charge.RefundReserved < was.RefundReserved {
		require.Equal(t, w.payment.Money.Minor(), was.RefundReserved-d.Charge.RefundReserved)
		require.False(t, w.moves(), "released, and the money has moved or may still move: %+v\n%+v", w.charges, d.Payment)
	}
}

// moves reports whether money of the refund is given back, or may still be.
func (w *world) moves() bool {
	return slices.ContainsFunc(w.charges, func(c charge) bool {
		open := c.decided == "" && w.remembered(c.gateway, c.key, c.arrives) == ""
		return c.taken && !c.returned || open
	})
}

// requireReserved is checked after each event.
func (on *refundedCharge) requireReserved(t *rapid.T) {
	var reserved, moved int64
	for _, w := range on.refunds {
		w.requireOnce(t)
		if !w.stored {
			continue
		}
		amount := w.payment.Money.Minor()
		if w.payment.State != payment.StateDeclined && w.payment.State != payment.StateFailed || w.payment.Doubt.Any() {
			reserved += amount
		}
		if w.moves() {
			moved += amount
		}
	}
	require.Equal(t, reserved, on.charge.RefundReserved, "the sum of what the refunds reserve")
	require.LessOrEqual(t, moved, on.charge.RefundReserved, "the money moves and is not reserved")
	require.LessOrEqual(t, on.charge.RefundReserved, on.charge.Money.Minor(), "more than was taken")
	require.Equal(t, payment.StateSucceeded, on.charge.State)
	require.Equal(t, "txn-charge", on.charge.TransactionID)
}

// returnMoney is a bank that sends the money of the refund back.
func (w *world) returnMoney(t *rapid.T) {
	if len(w.charges) == 0 || rapid.IntRange(0, 3).Draw(t, "returned") > 0 {
		return
	}
	for i := range w.charges {
		w.charges[i].returned = w.charges[i].taken
	}
}

// notify is an event of the gateway about a key of the refund, which may be wrong.
func (w *world) notify(t *rapid.T) {
	if !w.stored {
		return
	}
	n := payment.Notice{
		OrderID: "order-1", Kind: payment.KindRefund, Key: w.payment.GatewayKey, Gateway: w.rules.Gateway, Sent: true,
		Says: rapid.SampledFrom([]payment.LookupResult{
			payment.FoundApproved, payment.FoundDeclined, payment.FoundPending, payment.FoundReturned,
		}).Draw(t, "says"),
		Rules: w.rules, Worker: w.now,
	}
	before := w.payment
	d, err := n.Apply(w.payment, w.databaseNow())
	require.NoError(t, err)
	w.store(t, d)
	require.Equal(t, before.State, w.payment.State, "an event proves nothing")
	require.Equal(t, before.Fence, w.payment.Fence)
}
