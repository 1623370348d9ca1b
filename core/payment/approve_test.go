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

// An approval counts in every state of the payment, for its current key and for any other.
func TestApproval_IsNeverDropped(t *testing.T) {
	t.Parallel()
	now := noon.Add(10 * time.Second)
	for _, state := range payment.States() {
		for _, key := range []payment.GatewayKey{"key-1", "key-0"} {
			p, a := inState(t, state), approval(key, "txn-9")
			before := p
			d, err := apply(a, p, now)
			require.NoError(t, err)
			require.True(t, d.Write)
			if state.Approved() { // with txn-1
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
				require.Equal(t, p.Fence+1, got.Fence, "its worker can settle nothing more")
				require.True(t, got.DueAt.IsZero())
				require.False(t, got.Doubt.Any())
				require.Equal(t, payment.EventEvidence, d.Event.Kind)
				require.Contains(t, d.Event.Detail, "txn-9")
				require.Contains(t, d.Event.Detail, string(key))
				requireLeftKey(t, p, d, key, now)
			}
			again, err := apply(a, d.Payment, now.Add(time.Second))
			require.NoError(t, err)
			require.Equal(t, payment.VerdictReplay, again.Verdict, "a repeat changes nothing")
			require.False(t, again.Write)
			require.Equal(t, d.Payment, again.Payment)
		}
	}
}

// requireLeftKey fails unless the key that the payment leaves is looked up, if it may have charged too.
func requireLeftKey(t *testing.T, p payment.Payment, d payment.Decision, key payment.GatewayKey, now time.Time) {
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

// A charge that is found under a key that the payment has left is a double.
func TestApproval_LeftKeyIsLookedUpUntilClosed(t *testing.T) {
	t.Parallel()
	now := noon.Add(10 * time.Second)
	d, err := apply(approval("key-0", "txn-0"), claimedPayment(t), now)
	require.NoError(t, err)
	left := d.Payment
	look := func(p payment.Payment, found payment.LookupResult, when time.Time) payment.Decision {
		p = pickUpKey(pickUpPolicy(), p, "key-1", when).Payment
		l := lookupRecord(rules(), p, found, at(when))
		l.Key = "key-1"
		d, err := l.Apply(p, when)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, d.Payment.State)
		require.Equal(t, "txn-0", d.Payment.TransactionID)
		return d
	}

	d = look(left, payment.FoundNothing, now)
	require.Empty(t, d.Payment.Keys[0].Closed)
	require.True(t, d.Payment.Keys[0].Look.IsZero(), "its worker may begin an attempt until the lease ends")
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
	require.True(t, d.Payment.Keys[0].DueAt.IsZero(), "it is recorded, and reported once")
}

// The key is still looked up, and the charge that is found is the payment's own.
func TestApproval_OfSameTransactionIsNoDouble(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateSucceeded)
	p.Keys = []payment.Key{{Key: "key-1", DueAt: noon}}
	d, err := apply(approval("key-1", "txn-1"), p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictReplay, d.Verdict)
	require.False(t, d.Write)
	require.Equal(t, payment.ClosedCharged, d.Keys[0].Closed)
	require.True(t, d.Keys[0].DueAt.IsZero())
}

func TestApproval_KeepsItsGateway(t *testing.T) {
	t.Parallel()
	a := approval("key-0", "txn-0")
	a.Gateway = "https://other.example"
	d, err := apply(a, inState(t, payment.StateFailed), noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, a.Gateway, d.Payment.Gateway)
	require.Equal(t, at(noon.Add(time.Minute)), d.Payment.KeySent)
	old := inState(t, payment.StateFailed)
	old.Gateway = ""
	d, err = apply(approval("key-1", "txn-0"), old, noon)
	require.NoError(t, err)
	require.Equal(t, rules().Gateway, d.Payment.Gateway)
}
