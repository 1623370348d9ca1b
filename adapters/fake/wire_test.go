package fake_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// wired returns a wire that injects one fault into every call, and a repository and a gateway for it.
func wired(fault fake.Fault) (*fake.Wire, *fake.Payments, *fake.Gateway) {
	wire := &fake.Wire{Fault: func(fake.Call) fake.Fault { return fault }}
	return wire, fake.NewPayments(), fake.NewGateway()
}

func claimRequest(t testing.TB) payment.ClaimRequest {
	t.Helper()
	return payment.ClaimRequest{
		OrderID: "order-1", Money: usd(t, "100"), NewKey: "key-1", Replica: "replica-a", Lease: time.Minute,
		Rules: payment.KeyRules{Capabilities: payment.Capabilities{Repeat: payment.RepeatFirstSuccess, LooksUp: true}},
	}
}

func TestWire_Faults(t *testing.T) {
	t.Parallel()
	crash := func() { panic("crash") }
	tests := map[string]struct {
		fault   fake.Fault
		claim   error // of a write
		find    error // of a read
		crashes bool
		done    bool // whether the calls took effect
		charge  payment.Class
		lookUp  payment.LookupResult
	}{
		"none": {done: true, charge: payment.ClassApproved, lookUp: payment.FoundApproved},
		"fail before": {
			fault: fake.FailBefore, claim: ports.ErrUnavailable, find: ports.ErrUnavailable,
			charge: payment.ClassNotCharged, lookUp: payment.FoundNoAnswer,
		},
		"fail after": {
			fault: fake.FailAfter, claim: ports.ErrInDoubt, find: ports.ErrUnavailable, done: true,
			charge: payment.ClassUnknownUnanswered, lookUp: payment.FoundNoAnswer,
		},
		"crash before": {fault: fake.CrashBefore(crash), crashes: true},
		"crash after":  {fault: fake.CrashAfter(crash), crashes: true, done: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire, store, ledger := wired(test.fault)
			payments, gateway := wire.Payments(store), wire.Gateway(ledger)
			calls := []func(){
				func() {
					p, verdict, err := payments.Claim(t.Context(), claimRequest(t))
					require.ErrorIs(t, err, test.claim)
					require.Equal(t, err != nil, p == nil && verdict == "", "the answer was lost")
				},
				func() {
					_, err := payments.Find(t.Context(), "order-1")
					require.ErrorIs(t, err, test.find)
				},
				func() {
					require.Equal(t, test.charge, gateway.Charge(t.Context(), orderOne(t, "key-1")).Class)
				},
				func() {
					require.Equal(t, test.lookUp, gateway.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
				},
			}
			for _, call := range calls {
				if test.crashes {
					require.PanicsWithValue(t, "crash", call)
				} else {
					call()
				}
			}
			_, err := store.Find(t.Context(), "order-1")
			require.Equal(t, test.done, err == nil)
			require.Equal(t, test.done, ledger.Charges("order-1") == 1)
			require.Len(t, wire.Calls(), len(calls), "failed calls are recorded")
		})
	}
}

func TestWire_Delays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault fake.Fault
		err   error // of a caller with a shorter timeout
		done  bool  // whether that caller's call took effect
	}{
		"delay":        {fake.Delay(time.Minute), ports.ErrUnavailable, false},
		"delay answer": {fake.DelayAnswer(time.Minute), ports.ErrInDoubt, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				wire, store, _ := wired(test.fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, _, err := wire.Payments(store).Claim(ctx, claimRequest(t))
				require.ErrorIs(t, err, test.err)
				_, err = store.Find(t.Context(), "order-1")
				require.Equal(t, test.done, err == nil)

				began := time.Now()
				_, _, err = wire.Payments(store).Claim(t.Context(), claimRequest(t))
				require.NoError(t, err)
				require.Equal(t, time.Minute, time.Since(began))
			})
		})
	}
}

func TestWire_RecordsCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := new(fake.Wire)
		payments, gateway := wire.Payments(fake.NewPayments()), wire.Gateway(fake.NewGateway())
		began := time.Now()
		_, _, err := payments.Claim(t.Context(), claimRequest(t))
		require.NoError(t, err)
		time.Sleep(time.Second)
		gateway.Charge(t.Context(), orderOne(t, "key-1"))
		gateway.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
		require.Equal(t, []fake.Call{
			{Number: 1, Method: "Claim", OrderID: "order-1", Writes: true, At: began},
			{
				Number: 2, Method: "Charge", OrderID: "order-1", Key: "key-1", Writes: true,
				At: began.Add(time.Second),
			},
			{Number: 3, Method: "LookUp", Key: "key-1", At: began.Add(time.Second)},
		}, wire.Calls())
	})
}

// The database's clock decides, independently of the services' clocks.
func TestMoveClock_DecidesLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := fake.NewPayments()
		claim := func() payment.Verdict {
			_, verdict, err := store.Claim(t.Context(), claimRequest(t))
			require.NoError(t, err)
			return verdict
		}
		require.Equal(t, payment.VerdictClaimed, claim())
		store.MoveClock(time.Minute - time.Microsecond)
		require.Equal(t, payment.VerdictBusy, claim())
		time.Sleep(time.Microsecond)
		require.Equal(t, payment.VerdictClaimed, claim())
		store.MoveClock(-time.Minute)
		require.Equal(t, payment.VerdictBusy, claim())
	})
}
