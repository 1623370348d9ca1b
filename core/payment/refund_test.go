package payment_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// refundRules are [rules] of a gateway that refunds.
func refundRules() payment.KeyRules {
	r := rules()
	r.Operations = payment.OperationRefund
	return r
}

func refundID(name string) payment.OperationID {
	return payment.OperationID{Kind: payment.KindRefund, Name: name}
}

// refundRequest asks for refund r-1 of an amount; empty for what is left.
func refundRequest(t testing.TB, amount string) payment.ClaimRequest {
	a := claimRequest(t, "key-r-1")
	a.Operation, a.Money, a.Rules, a.Note = refundID("r-1"), payment.Money{}, refundRules(), "broken on arrival"
	if amount != "" {
		a.Money = amountOf(t, amount, "USD")
	}
	return a
}

func decideOperation(
	a payment.ClaimRequest, charge payment.Payment, stored *payment.Payment, now time.Time,
) (payment.Decision, error) {
	a.Worker = now
	return a.DecideOperation(charge, stored, now)
}

// chargedPayment is a payment of 100.00 of which an amount is reserved for refunds.
func chargedPayment(t testing.TB, reserved int64) payment.Payment {
	p := inState(t, payment.StateSucceeded)
	p.RefundReserved = reserved
	return p
}

// refundIn returns a refund of 30.00 in a state, with a doubt, and its charge, of which only that refund has reserved
// money.
func refundIn(t testing.TB, state payment.State, doubt payment.Doubt) (refund, charge payment.Payment) {
	t.Helper()
	charge = chargedPayment(t, 0)
	d, err := decideOperation(refundRequest(t, "30.00"), charge, nil, noon)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	charge, refund = *d.Charge, d.Payment
	if state == payment.StateProcessing {
		refund.Doubt = doubt
		return refund, charge
	}
	s := inState(t, state)
	refund.State, refund.DueAt, refund.TransactionID, refund.Attempt = s.State, s.DueAt, s.TransactionID, s.Attempt
	refund.Attempt.GatewayKey, refund.Doubt = refund.GatewayKey, doubt
	if !reserves(state, doubt) {
		charge.RefundReserved = 0
	}
	return refund, charge
}

// operationStates are the states of operations other than charges.
func operationStates() []payment.State {
	return slices.DeleteFunc(payment.States(), func(s payment.State) bool {
		return s == payment.StateAuthorized || s == payment.StateVoided
	})
}

// reserves is the rule: only a refund that provably moved no money reserves none.
func reserves(state payment.State, doubt payment.Doubt) bool {
	return state != payment.StateDeclined && state != payment.StateFailed || doubt.Any()
}

func TestDecideOperation_NewRefund(t *testing.T) {
	t.Parallel()
	in := func(state payment.State, doubt payment.Doubt) payment.Payment {
		p := inState(t, state)
		p.Doubt = doubt
		return p
	}
	tests := map[string]struct {
		charge  payment.Payment
		amount  string
		want    string // the amount of the refund; empty if it is refused
		left    string // with a refusal
		refused string // words of the refusal; empty for [payment.ErrChargeOpen]
	}{
		"a part":                        {charge: chargedPayment(t, 0), amount: "30.00", want: "30.00"},
		"the whole":                     {charge: chargedPayment(t, 0), amount: "100.00", want: "100.00"},
		"what is left":                  {charge: chargedPayment(t, 2500), want: "75.00"},
		"exactly what is left":          {charge: chargedPayment(t, 2500), amount: "75.00", want: "75.00"},
		"a cent more than is left":      {charge: chargedPayment(t, 2500), amount: "75.01", left: "75.00", refused: "75.00 USD"},
		"more than was taken":           {charge: chargedPayment(t, 0), amount: "100.01", left: "100.00", refused: "100.00 USD"},
		"nothing is left":               {charge: chargedPayment(t, 10000), amount: "0.01", refused: "nothing is left"},
		"nothing is left, none asked":   {charge: chargedPayment(t, 10000), refused: "nothing is left"},
		"more was given back than paid": {charge: chargedPayment(t, 13000), refused: "nothing is left"},
		"the payment is in flight":      {charge: in(payment.StateProcessing, noDoubt)},
		"the payment is scheduled":      {charge: in(payment.StateScheduled, noDoubt)},
		"the payment is pending":        {charge: in(payment.StatePending, named)},
		"the payment is unresolved":     {charge: in(payment.StateUnresolved, answered)},
		"the payment failed, in doubt":  {charge: in(payment.StateFailed, answered)},
		"the payment failed":            {charge: in(payment.StateFailed, noDoubt), refused: "only a succeeded payment"},
		"the payment was declined":      {charge: in(payment.StateDeclined, noDoubt), refused: "only a succeeded payment"},
	}
	for name, test := range tests {
		for _, deferred := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deferred %t", name, deferred), func(t *testing.T) {
				t.Parallel()
				a := refundRequest(t, test.amount)
				a.Deferred, a.Async = deferred, deferred
				d, err := decideOperation(a, test.charge, nil, noon)
				if test.want == "" {
					require.False(t, d.Write)
					require.Nil(t, d.Charge)
					requireRefundRefused(t, err, test.refused, test.left)
					return
				}
				require.NoError(t, err)
				requireBegun(t, d, a, test.charge, amountOf(t, test.want, "USD"))
			})
		}
	}
}

func requireRefundRefused(t testing.TB, err error, words, left string) {
	t.Helper()
	if words == "" {
		require.ErrorIs(t, err, payment.ErrChargeOpen)
		return
	}
	var refused *payment.OperationRefusedError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, words)
	if left == "" {
		require.True(t, refused.Left.IsZero())
		return
	}
	require.Equal(t, amountOf(t, left, "USD"), refused.Left)
}

// requireBegun checks a refund that a request has opened, and what it reserves.
func requireBegun(t testing.TB, d payment.Decision, a payment.ClaimRequest, charge payment.Payment, want payment.Money) {
	t.Helper()
	p := d.Payment
	require.True(t, d.Write)
	require.Equal(t, want, p.Money)
	require.Equal(t, a.Operation, p.Operation)
	require.Equal(t, payment.ChargeID{Key: charge.GatewayKey, Gateway: charge.Gateway, TransactionID: "txn-1"}, p.Of)
	require.Equal(t, a.NewKey, p.GatewayKey)
	require.Equal(t, charge.Gateway, p.Gateway)
	require.Equal(t, "broken on arrival", p.Note)
	if a.Deferred {
		require.Equal(t, payment.VerdictAccepted, d.Verdict)
		require.Equal(t, payment.StateScheduled, p.State)
		require.True(t, p.KeySent.IsZero(), "the key was not sent")
	} else {
		require.Equal(t, payment.VerdictClaimed, d.Verdict)
		require.Equal(t, payment.StateProcessing, p.State)
		require.EqualValues(t, 1, p.Fence)
		require.Equal(t, at(noon), p.KeySent)
	}
	require.NoError(t, p.Validate())
	require.NotNil(t, d.Charge)
	reserved := charge
	reserved.RefundReserved += want.Minor()
	reserved.Operations++
	reserved.UpdatedAt = noon
	require.Equal(t, reserved, *d.Charge, "of the charge, only the sum changes")
}

func TestDecideOperation_WrongCurrency_IsRefused(t *testing.T) {
	t.Parallel()
	a := refundRequest(t, "")
	a.Money = amountOf(t, "10.00", "EUR")
	_, err := decideOperation(a, chargedPayment(t, 0), nil, noon)
	requireRefundRefused(t, err, "in USD", "100.00")
}

func TestDecideOperation_GatewayCannotRefund_IsRefused(t *testing.T) {
	t.Parallel()
	a := refundRequest(t, "10.00")
	a.Rules.Operations = payment.OperationVoid
	_, err := decideOperation(a, chargedPayment(t, 0), nil, noon)
	requireRefundRefused(t, err, "does not support refunds", "")
}

func TestDecideOperation_GatewayIsNotConfigured_IsForeign(t *testing.T) {
	t.Parallel()
	a, charge := refundRequest(t, "10.00"), chargedPayment(t, 0)
	a.Rules.Gateway = "https://other.example"
	d, err := decideOperation(a, charge, nil, noon)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictForeign, d.Verdict)
	requireUnchanged(t, charge, d)
	require.Nil(t, d.Charge)
}

// A repeat of a refund: what was released is reserved again, and nothing is reserved twice.
func TestDecideOperation_Repeat(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Hour)
	for _, state := range operationStates() {
		for _, doubt := range []payment.Doubt{noDoubt, answered} {
			for _, amount := range []string{"", "30.00", "30.01"} {
				for _, left := range []string{"less", "enough"} {
					name := fmt.Sprintf("%s, doubt %t, amount %s, %s left", state, doubt.Any(), amount, left)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						stored, charge := refundIn(t, state, doubt)
						if left == "less" { // others have taken what this one does not reserve
							charge.RefundReserved = 10000
						}
						again := !reserves(state, doubt)
						a := refundRequest(t, amount)
						a.NewKey = "key-again"
						d, err := decideOperation(a, charge, &stored, later)
						switch {
						case amount == "30.01":
							require.NoError(t, err)
							require.Equal(t, payment.VerdictMismatch, d.Verdict)
							require.Nil(t, d.Charge)
						case again && left == "less":
							requireRefundRefused(t, err, "nothing is left", "")
							require.False(t, d.Write)
							require.Nil(t, d.Charge)
						case again:
							require.NoError(t, err)
							require.Equal(t, payment.VerdictClaimed, d.Verdict)
							require.Equal(t, charge.RefundReserved+3000, d.Charge.RefundReserved)
						default:
							require.NoError(t, err)
							require.Nil(t, d.Charge, "it is reserved already")
						}
						if state == payment.StateDeclined && d.Verdict == payment.VerdictClaimed && !doubt.Any() {
							require.Equal(t, payment.GatewayKey("key-again"), d.Payment.GatewayKey, "after a decline, a new key")
						}
					})
				}
			}
		}
	}
}

// Account, for every change of a refund: reserved is what may have moved money, and a sum changes only by it.
func TestAccount_EveryChange(t *testing.T) {
	t.Parallel()
	for _, from := range operationStates() {
		for _, to := range operationStates() {
			for _, doubtBefore := range []payment.Doubt{noDoubt, answered, doubtUnanswered(noon)} {
				for _, doubtAfter := range []payment.Doubt{noDoubt, named} {
					before, charge := refundIn(t, from, doubtBefore)
					charge.RefundReserved += 500 // of another refund
					after, _ := refundIn(t, to, doubtAfter)
					after.UpdatedAt = noon.Add(time.Hour)
					name := fmt.Sprintf("%s %+v to %s %+v", from, doubtBefore, to, doubtAfter)

					unwritten := payment.Decision{Payment: after}.Account(charge, before)
					require.Nil(t, unwritten.Charge, name)

					d := payment.Decision{Payment: after, Write: true}.Account(charge, before)
					want := charge.RefundReserved
					switch had, has := reserves(from, doubtBefore), reserves(to, doubtAfter); {
					case had && !has:
						want -= 3000
					case has && !had:
						want += 3000
					default:
						require.Nil(t, d.Charge, name)
						continue
					}
					require.NotNil(t, d.Charge, name)
					require.Equal(t, want, d.Charge.RefundReserved, name)
					require.Equal(t, after.UpdatedAt, d.Charge.UpdatedAt, name)
					require.Equal(t, after, d.Payment, name)

					// The same change, seen after it was stored, changes nothing more.
					again := payment.Decision{Payment: after, Write: true}.Account(*d.Charge, after)
					require.Nil(t, again.Charge, name)
				}
			}
		}
	}
}

// A lookup that finds nothing releases nothing: only the second closes the key.
func TestRefund_ReleasedWhenItsKeyIsClosed(t *testing.T) {
	t.Parallel()
	p, charge := refundIn(t, payment.StateUnresolved, answered)
	require.EqualValues(t, 3000, charge.RefundReserved)
	look := func(now time.Time) payment.Decision {
		r := lookupRecord(refundRules(), p, payment.FoundNothing, at(now))
		r.Operation = p.Operation
		d, err := r.Apply(p, now)
		require.NoError(t, err)
		return d.Account(charge, p)
	}
	first := look(noon.Add(time.Hour))
	require.Equal(t, payment.StateFailed, first.Payment.State)
	require.Nil(t, first.Charge, "one lookup releases nothing")

	p = first.Payment
	early := look(noon.Add(time.Hour + late - 1))
	require.Nil(t, early.Charge, "the second lookup came too early")
	second := look(noon.Add(time.Hour + late))
	require.NotNil(t, second.Charge)
	require.Zero(t, second.Charge.RefundReserved)
	require.False(t, second.Payment.Doubt.Any())

	charge, p = *second.Charge, second.Payment
	require.Nil(t, look(noon.Add(2*time.Hour)).Charge, "nothing is released twice")
}

func TestRefund_Returned(t *testing.T) {
	t.Parallel()
	now := noon.Add(48 * time.Hour)
	for _, state := range operationStates() {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			doubt := noDoubt
			if inDoubt(state) {
				doubt = answered
			}
			p, charge := refundIn(t, state, doubt)
			r := returned(p, now)
			d, err := r.Apply(p, now)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReturned, d.Verdict)
			got := d.Payment
			require.Equal(t, payment.StateDeclined, got.State)
			require.Equal(t, payment.CodeRefundReturned, got.Code)
			require.False(t, got.Doubt.Any())
			require.Equal(t, p.Fence+1, got.Fence, "a worker that holds the claim settles nothing")
			require.Equal(t, payment.EventReturned, d.Event.Kind)
			require.NoError(t, got.Validate())
			after := charge
			if d = d.Account(charge, p); d.Charge != nil {
				after = *d.Charge
			}
			require.Zero(t, after.RefundReserved, "the amount is free again, once")

			twice, err := r.Apply(got, now.Add(time.Minute))
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReplay, twice.Verdict)
			requireUnchanged(t, got, twice)

			// A repeat is answered with the return, also if the amount is left; another amount does not match.
			for _, amount := range []string{"", "30.00"} {
				again, err := decideOperation(refundRequest(t, amount), after, &got, now)
				require.NoError(t, err)
				require.Equal(t, payment.VerdictReplay, again.Verdict)
				require.Nil(t, again.Charge)
				requireUnchanged(t, got, again)
			}
			other, err := decideOperation(refundRequest(t, "31.00"), after, &got, now)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictMismatch, other.Verdict)
			require.Nil(t, other.Charge)

			// The approval of a worker that was fenced out is older than the return.
			a := approval(got.GatewayKey, "txn-9")
			a.Operation = got.Operation
			old, err := apply(a, got, now)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReplay, old.Verdict)
			requireUnchanged(t, got, old)
		})
	}
}

// returned is a lookup that found that the refund's money came back.
func returned(p payment.Payment, now time.Time) payment.LookupRecord {
	return lookupRecord(refundRules(), p, payment.FoundReturned, at(now))
}

func TestRefund_ReturnedWithLeftKey_ClosesThatKey(t *testing.T) {
	t.Parallel()
	p, charge := refundIn(t, payment.StateSucceeded, noDoubt)
	p.Keys = []payment.Key{{Key: "key-0", Gateway: p.Gateway, Doubt: answered, DueAt: noon}}
	r := returned(p, noon)
	r.Key = "key-0"
	d, err := r.Apply(p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.StateSucceeded, d.Payment.State)
	require.Nil(t, d.Account(charge, p).Charge)
	require.Len(t, d.Keys, 1)
	require.Equal(t, payment.ClosedDeclined, d.Keys[0].Closed)
	require.True(t, d.Keys[0].DueAt.IsZero(), "it is not looked up again")
	again, err := r.Apply(d.Payment, noon)
	require.NoError(t, err)
	requireUnchanged(t, d.Payment, again)
	require.Empty(t, again.Keys)
}

func TestCharge_FoundReturned_ProvesNothing(t *testing.T) {
	t.Parallel()
	p := unresolvedPayment(t, answered)
	now := noon.Add(time.Hour)
	d, err := returned(p, now).Apply(p, now)
	require.NoError(t, err)
	require.Equal(t, payment.StateUnresolved, d.Payment.State)
	p = inState(t, payment.StateSucceeded)
	d, err = returned(p, now).Apply(p, now)
	require.NoError(t, err)
	requireUnchanged(t, p, d)
}

// An event that a refund came back is looked up until it is found, in any state of the refund.
func TestRefund_EventOfReturn_IsLookedUpInEveryState(t *testing.T) {
	t.Parallel()
	for _, state := range operationStates() {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			doubt := noDoubt
			if inDoubt(state) {
				doubt = answered
			}
			p, _ := refundIn(t, state, doubt)
			n := payment.Notice{
				OrderID: p.OrderID, Kind: payment.KindRefund, Key: p.GatewayKey, Gateway: p.Gateway, Says: payment.FoundReturned,
				Sent: true, Rules: refundRules(), Worker: noon,
			}
			d, err := n.Apply(p, noon)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictWritten, d.Verdict)
			p = d.Payment
			twice, err := n.Apply(p, noon)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReplay, twice.Verdict, "a lookup is due already")

			// Even if the refund is recorded as succeeded after the event, a lookup follows.
			p = succeeded(t, p)
			require.Equal(t, payment.StateSucceeded, p.State)
			due := noon.Add(2 * time.Minute)
			d = pickUpKey(payment.PickUpPolicy{Replica: "replica-q", Rules: refundRules()}, p, p.GatewayKey, due)
			require.Equal(t, payment.VerdictLookUp, d.Verdict)

			// Stale answers do not end the lookups.
			r := lookupRecord(refundRules(), d.Payment, payment.FoundApproved, at(due))
			r.Operation, r.Result.TransactionID = p.Operation, p.TransactionID
			stale, err := r.Apply(d.Payment, due)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReplay, stale.Verdict)
			p = stale.Payment
			require.False(t, p.Keys[0].DueAt.IsZero())
			found, err := returned(p, due).Apply(p, due)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReturned, found.Verdict)
			require.True(t, found.Payment.Keys[0].DueAt.IsZero())

			// Events that come late, or again, have nothing new.
			for _, says := range []payment.LookupResult{payment.FoundReturned, payment.FoundApproved, payment.FoundPending} {
				n.Says = says
				d, err = n.Apply(found.Payment, due)
				require.NoError(t, err)
				require.Equal(t, payment.VerdictReplay, d.Verdict, says)
			}
		})
	}
}

// succeeded records that the refund has moved its money, in the way that its state permits.
func succeeded(t *testing.T, p payment.Payment) payment.Payment {
	t.Helper()
	var c change
	switch p.State {
	case payment.StateSucceeded:
		return p
	case payment.StateProcessing:
		return settled(t, p, payment.ClassApproved, payment.StateSucceeded, noon)
	case payment.StatePending, payment.StateUnresolved:
		c = lookupRecord(refundRules(), p, payment.FoundApproved, at(noon))
	case payment.StateScheduled, payment.StateDeclined, payment.StateFailed:
		a := approval(p.GatewayKey, "txn-9")
		a.Operation = p.Operation
		c = a
	}
	d, err := apply(c, p, noon)
	require.NoError(t, err)
	return d.Payment
}

func TestRefund_PendingWithRedirect_IsNotAbandoned(t *testing.T) {
	t.Parallel()
	p, _ := refundIn(t, payment.StatePending, named)
	p.Keys = []payment.Key{{Key: p.GatewayKey, Gateway: p.Gateway, RedirectURL: "https://gateway.example/act"}}
	on := payment.PickUpPolicy{Work: payment.WorkPending, Replica: "replica-q", Lease: lease, Rules: refundRules()}
	on.Rules.Cancels, on.Rules.PendingTimeout = true, time.Minute
	require.Equal(t, payment.VerdictLookUp, pickUp(on, p, noon.Add(time.Hour)).Verdict, "a refund is never cancelled")
}

func TestParseRefundID(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"r-1", "~", "...", strings.Repeat("x", payment.MaxOrderIDBytes)} {
		id, err := payment.ParseRefundID(s)
		require.NoError(t, err)
		require.Equal(t, refundID(s), id)
		require.Equal(t, "refund "+s, id.String())
	}
	for _, s := range []string{"", ".", "..", "a b", "é", "a\n", "\x7f", strings.Repeat("x", payment.MaxOrderIDBytes+1)} {
		_, err := payment.ParseRefundID(s)
		var field *payment.FieldError
		require.ErrorAs(t, err, &field, "%q", s)
		require.Equal(t, "refund_id", field.Field)
	}
}
