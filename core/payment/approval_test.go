package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func approval(key payment.GatewayKey, transactionID string) payment.Approval {
	return payment.Approval{
		OrderID: "order-1", Key: key, Gateway: rules().Gateway, TransactionID: transactionID, By: "replica-b", Rules: rules(),
	}
}

// An approval counts whatever the payment stands at, and whatever key it is on.
func TestAnApprovalIsNeverDropped(t *testing.T) {
	t.Parallel()
	now := noon.Add(10 * time.Second)
	for _, state := range payment.States() {
		for _, key := range []payment.GatewayKey{"key-1", "key-0"} {
			p, a := in(t, state), approval(key, "txn-9")
			before := p
			d, err := apply(a, p, now)
			require.NoError(t, err)
			require.True(t, d.Write)
			if state == payment.StateSucceeded { // with txn-1
				require.Equal(t, payment.VerdictDouble, d.Verdict, key)
				require.Equal(t, payment.EventDouble, d.Event.Kind)
				require.Contains(t, d.Event.Detail, "txn-1")
				require.Contains(t, d.Event.Detail, "txn-9")
				require.Contains(t, d.Event.Detail, string(key))
				require.Equal(t, []payment.Key{{
					Key: key, Gateway: a.Gateway, TransactionID: "txn-9", Closed: payment.ClosedCharged, ClosedAt: now,
				}}, d.Keys)
				before.UpdatedAt, before.Events, before.Keys = now, 1, d.Payment.Keys
				require.Equal(t, before, d.Payment, "the payment is unchanged")
			} else {
				require.Equal(t, payment.VerdictEvidence, d.Verdict, "%s %s", state, key)
				got := d.Payment
				require.Equal(t, payment.StateSucceeded, got.State)
				require.Equal(t, "txn-9", got.TransactionID)
				require.Equal(t, key, got.GatewayKey)
				require.Equal(t, p.Fence+1, got.Fence, "its worker settles nothing more")
				require.True(t, got.DueAt.IsZero())
				require.False(t, got.Doubt.Any())
				require.Equal(t, payment.EventEvidence, d.Event.Kind)
				require.Contains(t, d.Event.Detail, "txn-9")
				require.Contains(t, d.Event.Detail, string(key))
				requireLeft(t, p, d, key, now)
			}
			again, err := apply(a, d.Payment, now.Add(time.Second))
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReplay, again.Verdict, "twice is once")
			require.False(t, again.Write)
			require.Equal(t, d.Payment, again.Payment)
		}
	}
}

// requireLeft fails unless the key that the payment leaves is looked up, if it may charge as well.
func requireLeft(t *testing.T, p payment.Payment, d payment.Decision, key payment.GatewayKey, now time.Time) {
	t.Helper()
	if key == p.GatewayKey || p.State != payment.StateProcessing && !p.Doubt.Any() {
		require.Empty(t, d.Keys)
		return
	}
	require.Len(t, d.Keys, 1)
	left := d.Keys[0]
	require.Equal(t, p.GatewayKey, left.Key)
	require.Equal(t, p.Gateway, left.Gateway)
	require.Equal(t, p.KeySent, left.Sent)
	require.True(t, left.Doubt.Any())
	require.Empty(t, left.Closed)
	require.Equal(t, now, left.DueAt)
}

// The key that a payment has left is looked up until it is closed; a charge found there is a double.
func TestTheKeyThatAPaymentLeft(t *testing.T) {
	t.Parallel()
	now := noon.Add(10 * time.Second)
	d, err := apply(approval("key-0", "txn-0"), opened(t), now)
	require.NoError(t, err)
	left := d.Payment
	look := func(p payment.Payment, found payment.LookupResult, when time.Time) payment.Decision {
		p = pickUpKey(terms(), p, "key-1", when).Payment
		l := record(rules(), p, found, at(when))
		l.Key = "key-1"
		d, err := l.Apply(p, when)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, d.Payment.State)
		require.Equal(t, "txn-0", d.Payment.TransactionID)
		return d
	}

	d = look(left, payment.FoundNothing, now)
	require.Empty(t, d.Payment.Keys[0].Closed)
	require.True(t, d.Payment.Keys[0].Look.IsZero(), "its worker may begin until the lease ends")
	first := noon.Add(lease + late + 10*time.Second)
	d = look(d.Payment, payment.FoundNothing, first)
	require.Equal(t, at(first), d.Payment.Keys[0].Look)
	d = look(d.Payment, payment.FoundNothing, first.Add(late))
	require.Equal(t, payment.ClosedAbsent, d.Payment.Keys[0].Closed)
	require.Equal(t, payment.EventKeyClosed, d.Event.Kind)
	require.True(t, d.Payment.Keys[0].DueAt.IsZero())

	d = look(left, payment.FoundApproved, first)
	require.Equal(t, payment.VerdictDouble, d.Verdict)
	require.Equal(t, "txn-7", d.Payment.Keys[0].TransactionID)
	require.True(t, d.Payment.Keys[0].DueAt.IsZero(), "it is known, and reported once")
}

// The charge of the payment itself, found under a key that is still looked up, is no double.
func TestAnApprovalOfTheSameTransaction(t *testing.T) {
	t.Parallel()
	p := in(t, payment.StateSucceeded)
	p.Keys = []payment.Key{{Key: "key-1", DueAt: noon}}
	d, err := apply(approval("key-1", "txn-1"), p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictReplay, d.Verdict)
	require.False(t, d.Write)
	require.Equal(t, payment.ClosedCharged, d.Keys[0].Closed)
	require.True(t, d.Keys[0].DueAt.IsZero())
}

// An approval of a foreign or unknown gateway keeps its gateway.
func TestAnApprovalKeepsItsGateway(t *testing.T) {
	t.Parallel()
	a := approval("key-0", "txn-0")
	a.Gateway = "https://other.example"
	d, err := apply(a, in(t, payment.StateFailed), noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, a.Gateway, d.Payment.Gateway)
	require.Equal(t, at(noon.Add(time.Minute)), d.Payment.KeySent)
	old := in(t, payment.StateFailed)
	old.Gateway = ""
	d, err = apply(approval("key-1", "txn-0"), old, noon)
	require.NoError(t, err)
	require.Equal(t, rules().Gateway, d.Payment.Gateway)
}

func TestLeftOpen(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		p := in(t, state)
		key, open := p.OtherOpenKey("key-2")
		require.Equal(t, payment.GatewayKey("key-1"), key)
		require.Equal(t, state == payment.StateProcessing || state == payment.StateUnresolved, open, state)
		_, open = p.OtherOpenKey("key-1")
		require.False(t, open, state)
		p.Doubt = answered
		_, open = p.OtherOpenKey("key-2")
		require.Equal(t, state != payment.StateSucceeded, open, state)
	}
}

// Import refuses what would hide a second charge, unless it is told by name, and is done once.
func TestImportOverEachState(t *testing.T) {
	t.Parallel()
	now := noon.Add(10 * time.Second)
	for _, state := range payment.States() {
		for _, key := range []payment.GatewayKey{"key-1", "key-2"} {
			for _, overwrite := range []bool{false, true} {
				i := fromBooks(t)
				i.Key, i.Overwrite, i.Rules = key, overwrite, rules()
				p := in(t, state)
				d, err := apply(i, p, now)
				inDoubt := state == payment.StateProcessing || state == payment.StateUnresolved
				if state == payment.StateSucceeded || inDoubt && key != "key-1" && !overwrite {
					var refused *payment.ImportRefusedError
					require.ErrorAs(t, err, &refused, "%s %s", state, key)
					require.Equal(t, payment.Decision{}, d)
					continue
				}
				require.NoError(t, err, "%s %s", state, key)
				require.Equal(t, payment.StateSucceeded, d.Payment.State)
				require.Equal(t, key, d.Payment.GatewayKey)
				require.Equal(t, p.Fence+1, d.Payment.Fence)
				requireLeft(t, p, d, key, now)
				again, err := apply(i, d.Payment, now)
				require.NoError(t, err)
				require.Equal(t, payment.VerdictReplay, again.Verdict)
				requireUntouched(t, d.Payment, again)
			}
		}
	}
}

// A person's "failed" closes the key, and lookups go on for seven days: a charge counts all the same.
func TestAPersonsWord(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	now := noon.Add(time.Minute)
	failed := resolution(payment.Outcome{State: payment.StateFailed, Code: payment.CodeResolved, Reason: "no"})
	d, err := apply(failed, in(t, payment.StateUnresolved), now)
	require.NoError(t, err)
	k := d.Keys[0]
	require.Equal(t, payment.ClosedPerson, k.Closed)
	require.Equal(t, now.Add(week), k.WatchUntil)
	require.False(t, d.Payment.Doubt.Any())
	p, lookups := d.Payment, 0
	for when := k.DueAt; !when.IsZero(); lookups++ {
		require.Less(t, lookups, 1000)
		d := pickUpKey(terms(), p, "key-1", when)
		p = d.Payment
		if d.Verdict != payment.VerdictLookUp {
			require.GreaterOrEqual(t, when, now.Add(week))
			break
		}
		found, err := record(rules(), p, payment.FoundApproved, at(when)).Apply(p, when)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictEvidence, found.Verdict)
		require.Equal(t, payment.StateSucceeded, found.Payment.State)
		d, err = record(rules(), p, payment.FoundNothing, at(when)).Apply(p, when)
		require.NoError(t, err)
		require.Equal(t, payment.StateFailed, d.Payment.State)
		p = d.Payment
		when = p.Keys[0].DueAt
	}
	require.Greater(t, lookups, 100)
	require.True(t, p.Keys[0].DueAt.IsZero())

	succeeded := resolution(payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"})
	d, err = apply(succeeded, in(t, payment.StateUnresolved), now)
	require.NoError(t, err)
	require.Empty(t, d.Keys[0].Closed, "the transaction may be another key's")
	for transaction, want := range map[string]payment.Verdict{"txn-9": payment.VerdictReplay, "txn-7": payment.VerdictDouble} {
		when := d.Keys[0].DueAt
		look := pickUpKey(terms(), d.Payment, "key-1", when)
		require.Equal(t, payment.VerdictLookUp, look.Verdict)
		l := record(rules(), look.Payment, payment.FoundApproved, at(when))
		l.Result.TransactionID = transaction
		found, err := l.Apply(look.Payment, when)
		require.NoError(t, err)
		require.Equal(t, want, found.Verdict)
		require.Equal(t, "txn-9", found.Payment.TransactionID)
		require.True(t, found.Keys[0].DueAt.IsZero())
		require.Equal(t, payment.ClosedCharged, found.Keys[0].Closed)
	}
	look := pickUpKey(terms(), d.Payment, "key-1", d.Keys[0].DueAt)
	busy, err := record(rules(), look.Payment, payment.FoundProcessing, at(now.Add(time.Minute))).Apply(look.Payment, now.Add(time.Minute))
	require.NoError(t, err)
	require.False(t, busy.Payment.Doubt.Any(), "it has succeeded")
}

// A person's word on a payment in flight covers no attempt that may still begin.
func TestAPersonsWordInFlight(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Second)
	r := resolution(payment.Outcome{State: payment.StateFailed, Reason: "no"})
	r.InFlight = true
	r.Rules = rules()
	p := opened(t)
	d, err := apply(r, p, now)
	require.NoError(t, err)
	require.Equal(t, payment.StateFailed, d.Payment.State)
	require.Equal(t, at(noon.Add(r.Rules.MaxLease)), d.Payment.Doubt.Unanswered)
	require.Empty(t, d.Keys[0].Closed)
	require.Equal(t, payment.GatewayKey("key-1"), decide(ask(t, "key-2"), d.Payment, now).Payment.GatewayKey)
	_, err = payment.Settlement{
		ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateDeclined},
	}.Apply(d.Payment, now)
	require.ErrorIs(t, err, payment.ErrFenced)

	r.Rules = payment.KeyRules{} // of a command that knows no lease: the row does
	d, err = apply(r, p, now)
	require.NoError(t, err)
	require.Equal(t, at(noon.Add(lease)), d.Payment.Doubt.Unanswered)
	for _, state := range payment.States() {
		if state == payment.StateProcessing || state == payment.StateUnresolved {
			continue
		}
		_, err := apply(r, in(t, state), now)
		require.Error(t, err, state)
	}
}

// Whatever a worker settles, a doubt is never written as declined or failed.
func TestASettlementCannotEndADoubt(t *testing.T) {
	t.Parallel()
	for _, state := range []payment.State{payment.StateDeclined, payment.StateFailed} {
		p := renewed(t, opened(t), payment.ClassUnknownAnswered, noon)
		d, err := apply(payment.Settlement{
			ClaimRef: p.ClaimRef(), End: ended(of(payment.ClassDeclined)), Outcome: payment.Outcome{State: state, DueIn: time.Second},
		}, p, noon.Add(2*time.Second))
		require.NoError(t, err)
		require.Equal(t, payment.StateUnresolved, d.Payment.State)
		require.True(t, d.Payment.Doubt.Any())
	}
}
