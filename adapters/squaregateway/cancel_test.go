package squaregateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// cancel cancels and requires the result.
func (b bench) cancel(ref payment.ChargeRef, want payment.LookupResult) payment.Lookup {
	b.t.Helper()
	l := b.Cancel(b.t.Context(), ref)
	require.Equal(b.t, want, l.Result, l.Message)
	return l
}

// cancelled returns the calls that cancel.
func (b bench) cancelled() (calls []string) {
	return slices.DeleteFunc(b.paths(), func(path string) bool { return !strings.HasSuffix(path, "cancel") })
}

func TestCancel_PendingPayment_IsVoidedByItsID(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{Lag: time.Second})
	ref := b.ref()
	ref.Reference = b.charge(bankOK, payment.ClassPending).Reference
	require.Equal(t, ref.Reference, b.cancel(ref, payment.FoundVoided).Reference)
	b.cancel(ref, payment.FoundVoided)
	require.Equal(t, []string{"POST /v2/payments/" + ref.Reference + "/cancel"}, b.cancelled())
	require.NotContains(t, strings.Join(b.paths(), " "), "//", "an empty id would cancel by key")
}

func TestCancel_HeldPayment_IsFoundAndVoidedByItsID(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	b.fake.Inject(squarefake.Fault{Call: "create", Close: true})
	b.charge(cardOK, payment.ClassUnknownUnanswered)
	b.cancel(b.ref(), payment.FoundVoided)
	require.Equal(t, []string{"POST /v2/payments/" + b.fake.IDs(string(key))[0] + "/cancel"}, b.cancelled())
	require.Zero(t, b.fake.Holds(string(key)))
	require.Equal(t, payment.DeclineAbandoned, b.charge(cardOK, payment.ClassDeclined).Code)
}

// A payment that is completed is not cancelled: what Square does then is not documented.
func TestCancel_CompletedPayment_IsTooLate(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	r := b.charge(cardOK, payment.ClassApproved)
	ref := b.ref()
	require.Equal(t, r.TransactionID, b.cancel(ref, payment.FoundApproved).TransactionID)
	ref.Reference = r.TransactionID
	b.cancel(ref, payment.FoundApproved)
	require.Empty(t, b.cancelled())
}

// A payment that no list has yet is cancelled by its key. That proves nothing until the list has it,
// because the call succeeds also if there is nothing to cancel.
func TestCancel_PaymentNotFound_IsCancelledByKey(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{Lag: time.Second})
	b.cancel(b.ref(), payment.FoundNothing)
	b.charge(cardOK, payment.ClassApproved) // the key has no tombstone
	require.Equal(t, []string{"POST /v2/payments/cancel"}, b.cancelled())

	c := newBench(t, squarefake.Options{Lag: time.Second})
	c.fake.Inject(squarefake.Fault{Call: "create", Close: true})
	c.charge(cardOK, payment.ClassUnknownUnanswered)
	c.cancel(c.ref(), payment.FoundNothing)
	require.Zero(t, c.fake.Holds(string(key)))
	c.fake.Advance(time.Second)
	c.lookUp(c.ref(), payment.FoundVoided)

	// Completed, and not listed yet.
	d := newBench(t, squarefake.Options{Lag: time.Second})
	d.charge(cardOK, payment.ClassApproved)
	d.cancel(d.ref(), payment.FoundNoAnswer)
	require.Equal(t, 1, d.fake.Charges(string(key)))
}

// What Square has recorded counts, and not the answer to the cancellation.
func TestCancel_Refused_IsLookedUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	ref := b.ref()
	ref.Reference = b.charge(bankOK, payment.ClassPending).Reference
	b.fake.Inject(squarefake.Fault{Call: "cancel", Skip: true, Status: 400, Errors: []squarefake.Error{{Category: "INVALID_REQUEST_ERROR", Code: "BAD_REQUEST"}}})
	b.cancel(ref, payment.FoundPending)
	b.fake.Inject(squarefake.Fault{Call: "cancel", Skip: true, Status: 200, Body: "<html>It works</html>"})
	b.cancel(ref, payment.FoundPending)

	arrived, release := make(chan struct{}), make(chan struct{})
	b.fake.Inject(squarefake.Fault{Call: "cancel", Arrived: arrived, Release: release})
	decided := make(chan error, 1)
	go func() {
		<-arrived
		decided <- b.fake.Decide(ref.Reference, "COMPLETED")
		close(release)
	}()
	require.Equal(t, ref.Reference, b.cancel(ref, payment.FoundApproved).TransactionID, "it came too late")
	require.NoError(t, <-decided)
}

func TestCancel_NoAnswer_ProvesNothing(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"cancel", "get"} {
		b := newBench(t, squarefake.Options{})
		ref := b.ref()
		ref.Reference = b.charge(bankOK, payment.ClassPending).Reference
		b.fake.Inject(squarefake.Fault{Call: call, Close: true, Times: 2})
		b.cancel(ref, payment.FoundNoAnswer)
	}
	b := newBench(t, squarefake.Options{})
	b.fake.Inject(squarefake.Fault{Call: "cancel_by_key", Close: true})
	b.cancel(b.ref(), payment.FoundNoAnswer)
	b.fake.Inject(squarefake.Fault{Call: "cancel_by_key", Status: 200, Body: "<html></html>"})
	b.cancel(b.ref(), payment.FoundNoAnswer)
}
