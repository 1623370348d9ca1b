package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func resolution(o payment.Outcome) payment.Resolution {
	return payment.Resolution{OrderID: "order-1", Outcome: o, By: "ada"}
}

func TestResolution_ToEachOutcome(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome payment.Outcome
		detail  string
	}{
		"succeeded": {
			payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}, "was unresolved; now succeeded: txn-9",
		},
		"failed": {
			payment.Outcome{
				State: payment.StateFailed, Code: payment.CodeResolved, Reason: "not on the statement",
			},
			"was unresolved; now failed: not on the statement",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := inState(t, payment.StateUnresolved)
			now := noon.Add(lease)
			require.NoError(t, resolution(test.outcome).Check())
			d, err := resolution(test.outcome).Apply(p, now)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictWritten, d.Verdict)
			require.True(t, d.Write)
			require.Equal(t, &p.Attempt, d.PriorAttempt)
			require.Equal(t, &payment.Event{
				Number: 1, Kind: payment.EventResolved, At: now, Replica: "ada", Fence: 2, Detail: test.detail,
			}, d.Event)
			got, o := d.Payment, test.outcome
			require.Equal(t, o.State, got.State)
			require.Equal(t, []string{o.TransactionID, o.Code, o.Reason}, []string{got.TransactionID, got.Code, got.Reason})
			require.True(t, got.DueAt.IsZero())
			require.False(t, got.Doubt.Any())
			require.Equal(t, now, got.UpdatedAt)
			require.Equal(t, p.GatewayKey, got.GatewayKey)
		})
	}
}

func TestResolution_NeedsUnresolvedPayment(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		if state == payment.StateUnresolved || state == payment.StatePending {
			continue
		}
		d, err := resolution(payment.Outcome{State: payment.StateFailed}).Apply(inState(t, state), noon)
		var refused *payment.NotUnresolvedError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, state, refused.State)
		switch state {
		case payment.StateProcessing:
			require.ErrorContains(t, err, "in flight")
		case payment.StateAuthorized:
			require.ErrorContains(t, err, "release it with `paymentd void`")
		default:
			require.ErrorContains(t, err, "the payment is "+string(state)+"; only one whose outcome is open can be resolved")
		}
		require.Equal(t, payment.Decision{}, d)
	}
}

func TestResolution_Check(t *testing.T) {
	t.Parallel()
	taken := payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}
	long := taken
	long.TransactionID = strings.Repeat("t", 256)
	nameless := resolution(taken)
	nameless.By = ""
	longName := resolution(taken)
	longName.By = strings.Repeat("a", 65)
	heldCapture := resolution(payment.Outcome{State: payment.StateAuthorized, TransactionID: "txn-9"})
	heldCapture.Operation.Kind = payment.KindCapture
	tests := map[string]struct {
		resolution payment.Resolution
		field      string
	}{
		"without a name":           {nameless, "by"},
		"by a long name":           {longName, "by"},
		"no transaction":           {resolution(payment.Outcome{State: payment.StateSucceeded}), "transaction_id"},
		"long transaction":         {resolution(long), "transaction_id"},
		"no transaction of a hold": {resolution(payment.Outcome{State: payment.StateAuthorized}), "transaction_id"},
		"a capture that is held":   {heldCapture, "state"},
		"no reason":                {resolution(payment.Outcome{State: payment.StateFailed}), "reason"},
		"declined":                 {resolution(payment.Outcome{State: payment.StateDeclined, Reason: "no"}), "state"},
		"nothing":                  {resolution(payment.Outcome{}), "state"},
		"a card number": {resolution(payment.Outcome{
			State: payment.StateSucceeded, TransactionID: "txn-9", Reason: "card 4242 4242 4242 4242 is on the statement",
		}), "reason"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.resolution.Check()
			var refused *payment.FieldError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, test.field, refused.Field)
			require.NotEmpty(t, refused.Message)
		})
	}
}

// A person finds that the money is held. A minute later, the payment is looked up as any authorized one.
func TestResolution_ToAuthorized(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Minute)
	held := resolution(payment.Outcome{State: payment.StateAuthorized, TransactionID: "txn-9"})
	require.NoError(t, held.Check())
	p := inState(t, payment.StateUnresolved)
	_, err := held.Apply(p, now)
	var refused *payment.FieldError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "takes its money at once")

	p.Capture = payment.CaptureManual
	d, err := apply(held, p, now)
	require.NoError(t, err)
	got := d.Payment
	require.Equal(t, payment.StateAuthorized, got.State)
	require.Equal(t, "txn-9", got.TransactionID)
	require.Equal(t, now.Add(time.Minute), got.DueAt)
	require.False(t, got.Doubt.Any())
	require.NoError(t, got.Validate())

	policy := pickUpPolicy()
	policy.Work = payment.WorkHolds
	d = pickUp(policy, got, got.DueAt)
	require.Equal(t, payment.VerdictLookUp, d.Verdict)
	record := lookupRecord(rules(), d.Payment, payment.FoundAuthorized, payment.Instant{DB: got.DueAt})
	record.Result.HoldExpires = now.Add(time.Hour)
	d, err = apply(record, d.Payment, got.DueAt)
	require.NoError(t, err)
	require.Equal(t, payment.StateAuthorized, d.Payment.State)
	require.Equal(t, now.Add(time.Hour), d.Payment.HoldExpires)
	require.Equal(t, now.Add(time.Hour), d.Payment.DueAt)
}

// "failed" closes the key, and lookups go on for seven days: a charge that they find counts.
func TestResolution_LookupsGoOn(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	now := noon.Add(time.Minute)
	failed := resolution(payment.Outcome{State: payment.StateFailed, Code: payment.CodeResolved, Reason: "no"})
	d, err := apply(failed, inState(t, payment.StateUnresolved), now)
	require.NoError(t, err)
	k := d.Keys[0]
	require.Equal(t, payment.ClosedPerson, k.Closed)
	require.Equal(t, now.Add(week), k.WatchUntil)
	require.False(t, d.Payment.Doubt.Any())
	p, lookups := d.Payment, 0
	for when := k.DueAt; !when.IsZero(); lookups++ {
		require.Less(t, lookups, 1000)
		d := pickUpKey(pickUpPolicy(), p, "key-1", when)
		p = d.Payment
		if d.Verdict != payment.VerdictLookUp {
			require.GreaterOrEqual(t, when, now.Add(week))
			break
		}
		found, err := lookupRecord(rules(), p, payment.FoundApproved, at(when)).Apply(p, when)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictEvidence, found.Verdict)
		require.Equal(t, payment.StateSucceeded, found.Payment.State)
		d, err = lookupRecord(rules(), p, payment.FoundNothing, at(when)).Apply(p, when)
		require.NoError(t, err)
		require.Equal(t, payment.StateFailed, d.Payment.State)
		p = d.Payment
		when = p.Keys[0].DueAt
	}
	require.Greater(t, lookups, 100)
	require.True(t, p.Keys[0].DueAt.IsZero())

	succeeded := resolution(payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"})
	d, err = apply(succeeded, inState(t, payment.StateUnresolved), now)
	require.NoError(t, err)
	require.Empty(t, d.Keys[0].Closed, "the transaction may be another key's")
	for transaction, want := range map[string]payment.Verdict{"txn-9": payment.VerdictReplay, "txn-7": payment.VerdictDouble} {
		when := d.Keys[0].DueAt
		look := pickUpKey(pickUpPolicy(), d.Payment, "key-1", when)
		require.Equal(t, payment.VerdictLookUp, look.Verdict)
		l := lookupRecord(rules(), look.Payment, payment.FoundApproved, at(when))
		l.Result.TransactionID = transaction
		found, err := l.Apply(look.Payment, when)
		require.NoError(t, err)
		require.Equal(t, want, found.Verdict)
		require.Equal(t, "txn-9", found.Payment.TransactionID)
		require.True(t, found.Keys[0].DueAt.IsZero())
		require.Equal(t, payment.ClosedCharged, found.Keys[0].Closed)
	}
	look := pickUpKey(pickUpPolicy(), d.Payment, "key-1", d.Keys[0].DueAt)
	busy, err := lookupRecord(rules(), look.Payment, payment.FoundProcessing, at(now.Add(time.Minute))).Apply(look.Payment, now.Add(time.Minute))
	require.NoError(t, err)
	require.False(t, busy.Payment.Doubt.Any(), "a succeeded payment is not in doubt")
}

// The resolution of a payment in flight does not cover an attempt that may still begin.
func TestResolution_InFlight(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Second)
	r := resolution(payment.Outcome{State: payment.StateFailed, Reason: "no"})
	r.InFlight = true
	r.Rules = rules()
	p := claimedPayment(t)
	d, err := apply(r, p, now)
	require.NoError(t, err)
	require.Equal(t, payment.StateFailed, d.Payment.State)
	require.Equal(t, at(noon.Add(r.Rules.MaxLease)), d.Payment.Doubt.Unanswered)
	require.Empty(t, d.Keys[0].Closed)
	require.Equal(t, payment.GatewayKey("key-1"), decide(claimRequest(t, "key-2"), d.Payment, now).Payment.GatewayKey)
	_, err = payment.Settlement{
		ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateDeclined},
	}.Apply(d.Payment, now)
	require.ErrorIs(t, err, payment.ErrFenced)

	r.Rules = payment.KeyRules{} // of a command that has no lease: the row has it
	d, err = apply(r, p, now)
	require.NoError(t, err)
	require.Equal(t, at(noon.Add(lease)), d.Payment.Doubt.Unanswered)
	for _, state := range payment.States() {
		if state == payment.StateProcessing || state == payment.StatePending || state == payment.StateUnresolved {
			continue
		}
		_, err := apply(r, inState(t, state), now)
		require.Error(t, err, state)
	}
}

// A failed payment whose key is not closed can be resolved as well, because its gateway may be gone.
func TestResolution_FailedWithAnOpenKey(t *testing.T) {
	t.Parallel()
	p, due := failedByLookup(t)
	require.True(t, p.Doubt.Any())
	r := resolution(payment.Outcome{State: payment.StateFailed, Reason: "the gateway's list does not have it"})
	r.Rules = rules()
	d, err := apply(r, p, due)
	require.NoError(t, err)
	require.False(t, d.Payment.Doubt.Any())
	require.Equal(t, payment.ClosedPerson, d.Keys[0].Closed)
	_, err = apply(r, d.Payment, due)
	require.Error(t, err, "it is closed")
}
