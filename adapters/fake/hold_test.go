package fake_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// held holds $100 with key-1.
func held(t testing.TB, gateway *fake.Gateway) payment.Charge {
	t.Helper()
	c := orderOne(t, "key-1")
	c.Capture = payment.CaptureManual
	require.Equal(t, payment.ClassAuthorized, gateway.Charge(t.Context(), c).Class)
	return c
}

// operationOf is a capture or a void of the charge.
func operationOf(t testing.TB, kind payment.Kind, c payment.Charge, key payment.GatewayKey, amount string) payment.Charge {
	t.Helper()
	o := refundOf(t, c, key, amount)
	o.Operation = payment.OperationID{Kind: kind}
	return o
}

// The same steps decide captures and voids as they do charges.
func TestHold_BySteps(t *testing.T) {
	t.Parallel()
	const late = time.Minute
	for name, tt := range map[string]struct {
		step   fake.Step
		class  payment.Class
		moved  int // when the caller gets the result
		after  int // when every request has arrived
		found  payment.LookupResult
		charge payment.LookupResult // of a captured charge, when the caller gets the result
	}{
		"approve":       {fake.Approve(), payment.ClassApproved, 1, 1, payment.FoundApproved, payment.FoundApproved},
		"decline":       {fake.Decline("no"), payment.ClassDeclined, 0, 0, payment.FoundDeclined, payment.FoundAuthorized},
		"pending":       {fake.Pending(), payment.ClassPending, 0, 0, payment.FoundPending, payment.FoundAuthorized},
		"reject":        {fake.Reject(), payment.ClassRejected, 0, 0, payment.FoundNothing, payment.FoundAuthorized},
		"server error":  {fake.ChargeThenServerError(), payment.ClassUnknownAnswered, 1, 1, payment.FoundApproved, payment.FoundApproved},
		"timeout":       {fake.Timeout(), payment.ClassUnknownUnanswered, 0, 0, payment.FoundNothing, payment.FoundAuthorized},
		"lose answer":   {fake.LoseAnswer(), payment.ClassUnknownUnanswered, 1, 1, payment.FoundApproved, payment.FoundApproved},
		"captured late": {fake.ChargeLate(late), payment.ClassUnknownUnanswered, 0, 1, payment.FoundNothing, payment.FoundAuthorized},
	} {
		for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					gateway := fake.NewGateway(fake.Approve(), tt.step)
					c := held(t, gateway)
					o := operationOf(t, kind, c, "op-1", "100")
					require.Equal(t, tt.class, gateway.Charge(t.Context(), o).Class)
					require.Equal(t, tt.found, gateway.LookUp(t.Context(), refOf(o)).Result)
					moved, want := gateway.CapturesWith("op-1"), tt.charge
					if kind == payment.KindVoid {
						moved = len(gateway.Voided())
						if want == payment.FoundApproved {
							want = payment.FoundVoided
						}
					}
					require.Equal(t, tt.moved, moved)
					require.Equal(t, want, gateway.LookUp(t.Context(), refOf(c)).Result)
					time.Sleep(late)
					require.Equal(t, tt.after, len(gateway.Voided())+gateway.CapturesWith("op-1"))
					require.Equal(t, tt.after == 1, !gateway.Held()[0].EndedAt.IsZero())
					require.Zero(t, gateway.Charges(c.OrderID), "no charge took money")
					require.Equal(t, []payment.GatewayKey{"op-1"}, gateway.RefundKeys(c.OrderID, o.Operation))
				})
			})
		}
	}
}

// A hold has one end, and refunds have at most what was captured.
func TestHold_OneEnd(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	c := held(t, gateway)
	require.Equal(t, 1, gateway.HoldsWith(c.Key))
	attempt := func(o payment.Charge) string { return gateway.Charge(t.Context(), o).Code }
	require.Equal(t, fake.CodeExceedsCharge, attempt(operationOf(t, payment.KindCapture, c, "c-1", "100.01")))
	require.Equal(t, fake.CodeExceedsCharge, attempt(refundOf(t, c, "r-1", "1")))
	gateway.Script(c.OrderID, fake.Pending())
	require.Empty(t, attempt(operationOf(t, payment.KindCapture, c, "c-2", "60")))
	require.Equal(t, fake.CodeInProgress, attempt(operationOf(t, payment.KindVoid, c, "v-1", "100")))
	require.False(t, gateway.ExpireHold(c.Key), "a capture is pending")
	require.True(t, gateway.Complete("c-2", fake.Approve()))
	require.Equal(t, payment.ClassApproved, gateway.DecidedOperation(payment.KindCapture, "c-2").Class)
	require.Equal(t, usd(t, "60"), gateway.LookUp(t.Context(), refOf(c)).Captured)
	require.EqualValues(t, 60_00, gateway.CapturedOf(c.Key))
	require.Equal(t, payment.DeclineSucceeded, attempt(operationOf(t, payment.KindCapture, c, "c-3", "40")))
	require.Equal(t, payment.DeclineSucceeded, attempt(operationOf(t, payment.KindVoid, c, "v-2", "100")))
	require.Equal(t, fake.CodeExceedsCharge, attempt(refundOf(t, c, "r-2", "60.01")))
	require.Empty(t, attempt(refundOf(t, c, "r-3", "60")))
	require.Equal(t, payment.ClassAuthorized, gateway.Charge(t.Context(), c).Class, "the first result again")
}

func TestHoldFor_Expires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		gateway.HoldFor(time.Hour)
		c := held(t, gateway)
		require.Equal(t, time.Now().Add(time.Hour), gateway.LookUp(t.Context(), refOf(c)).HoldExpires)
		time.Sleep(time.Hour)
		require.Equal(t, payment.FoundVoided, gateway.LookUp(t.Context(), refOf(c)).Result)
		require.True(t, gateway.Held()[0].Expired)
		require.Equal(t, payment.DeclineHoldExpired, gateway.Charge(t.Context(), operationOf(t, payment.KindCapture, c, "c-1", "100")).Code)
		require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), operationOf(t, payment.KindVoid, c, "v-1", "100")).Class)
		require.False(t, gateway.ExpireHold(c.Key))
	})
}

// A gateway may take the money at once, although the charge is only to hold it.
func TestTakeAtOnce_IsACharge(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway(fake.TakeAtOnce())
	c := orderOne(t, "key-1")
	c.Capture = payment.CaptureManual
	require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), c).Class)
	require.Equal(t, 1, gateway.Charges(c.OrderID))
	require.Empty(t, gateway.Held())
	require.Equal(t, payment.DeclineSucceeded, gateway.Charge(t.Context(), operationOf(t, payment.KindCapture, c, "c-1", "100")).Code)
}

// A hold can be cancelled, and is in the list as what it is.
func TestCancel_Hold(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	c := held(t, gateway)
	states := func() (all []payment.LookupResult) {
		page, err := gateway.WithList().Charges(t.Context(), payment.LedgerQuery{To: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		for _, c := range page.Charges {
			all = append(all, c.State)
		}
		return all
	}
	require.Equal(t, []payment.LookupResult{payment.FoundAuthorized}, states())
	require.Equal(t, payment.FoundVoided, gateway.Cancel(t.Context(), refOf(c)).Result)
	require.Equal(t, []payment.LookupResult{payment.FoundVoided}, states())
	require.Equal(t, payment.DeclineVoided, gateway.Charge(t.Context(), operationOf(t, payment.KindCapture, c, "c-1", "100")).Code)
}
