package fake_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// charged charges $100 with key-1.
func charged(t testing.TB, gateway *fake.Gateway) payment.Charge {
	t.Helper()
	c := orderOne(t, "key-1")
	require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), c).Class)
	return c
}

// refundOf is a refund of the charge.
func refundOf(t testing.TB, c payment.Charge, key payment.GatewayKey, amount string) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: key, OrderID: c.OrderID, Operation: payment.OperationID{Kind: payment.KindRefund, Name: string(key)},
		Of: payment.ChargeID{Key: c.Key}, Money: usd(t, amount),
	}
}

func refOf(c payment.Charge) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money}
}

func TestRefund_BySteps(t *testing.T) {
	t.Parallel()
	const late = time.Minute
	for name, tt := range map[string]struct {
		step  fake.Step
		class payment.Class
		given int // when the caller gets the result
		after int // when every request has arrived
		found payment.LookupResult
	}{
		"approve":       {fake.Approve(), payment.ClassApproved, 1, 1, payment.FoundApproved},
		"decline":       {fake.Decline("no"), payment.ClassDeclined, 0, 0, payment.FoundDeclined},
		"pending":       {fake.Pending(), payment.ClassPending, 0, 0, payment.FoundPending},
		"reject":        {fake.Reject(), payment.ClassRejected, 0, 0, payment.FoundNothing},
		"refuse":        {fake.Refuse(), payment.ClassNotCharged, 0, 0, payment.FoundNothing},
		"server error":  {fake.ChargeThenServerError(), payment.ClassUnknownAnswered, 1, 1, payment.FoundApproved},
		"timeout":       {fake.Timeout(), payment.ClassUnknownUnanswered, 0, 0, payment.FoundNothing},
		"lose answer":   {fake.LoseAnswer(), payment.ClassUnknownUnanswered, 1, 1, payment.FoundApproved},
		"refunded late": {fake.ChargeLate(late), payment.ClassUnknownUnanswered, 0, 1, payment.FoundNothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gateway := fake.NewGateway(fake.Approve(), tt.step)
				c := charged(t, gateway)
				r := refundOf(t, c, "refund-1", "40")
				require.Equal(t, tt.class, gateway.Charge(t.Context(), r).Class)
				require.Equal(t, tt.found, gateway.LookUp(t.Context(), refOf(r)).Result)
				require.Equal(t, tt.given, gateway.RefundsWith("refund-1"))
				time.Sleep(late)
				require.Equal(t, tt.after, gateway.RefundsWith("refund-1"))
				require.Equal(t, 40_00*int64(tt.after), gateway.RefundedOf(c.Key))
				require.Len(t, gateway.Refunded(), tt.after)
				require.Equal(t, 1, gateway.Charges(c.OrderID))
				require.Equal(t, []payment.GatewayKey{"key-1"}, gateway.Keys(c.OrderID))
				require.Equal(t, []payment.GatewayKey{"refund-1"}, gateway.RefundKeys(c.OrderID, r.Operation))
				list, err := gateway.WithList().Charges(t.Context(), payment.LedgerQuery{To: time.Now().Add(1)})
				require.NoError(t, err)
				require.Len(t, list.Charges, 1, "the list has charges only")
			})
		})
	}
}

// The key of a refund is not that of a charge, and a refund is found together with its charge only.
func TestRefund_KeyIsNotAChargesKey(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	c := charged(t, gateway)
	r := refundOf(t, c, c.Key, "40")
	require.Equal(t, payment.FoundNothing, gateway.LookUp(t.Context(), refOf(r)).Result)
	require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), r).Class)
	other := refOf(r)
	other.Of.Key = "key-2"
	require.Equal(t, payment.FoundNothing, gateway.LookUp(t.Context(), other).Result)
	require.Equal(t, payment.FoundApproved, gateway.Cancel(t.Context(), refOf(r)).Result)
	require.Equal(t, "txn-1", gateway.LookUp(t.Context(), refOf(c)).TransactionID)
	require.Equal(t, "refund-1", gateway.LookUp(t.Context(), refOf(r)).TransactionID)
}

func TestRefund_SameKeyIsOneRefund(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	r := refundOf(t, charged(t, gateway), "refund-1", "40")
	for range 3 {
		require.Equal(t, "refund-1", gateway.Charge(t.Context(), r).TransactionID)
	}
	r.Money = usd(t, "41")
	require.Equal(t, payment.ClassKeyReused, gateway.Charge(t.Context(), r).Class)
	require.Equal(t, 1, gateway.RefundsWith("refund-1"))
}

func TestRefund_NeverMoreThanIsLeft(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	c := charged(t, gateway)
	attempt := func(key payment.GatewayKey, amount string) payment.Result {
		return gateway.Charge(t.Context(), refundOf(t, c, key, amount))
	}
	requireExceeds := func(key payment.GatewayKey, amount string) {
		t.Helper()
		r := attempt(key, amount)
		require.Equal(t, payment.ClassDeclined, r.Class)
		require.Equal(t, fake.CodeExceedsCharge, r.Code)
	}
	requireExceeds("refund-0", "100.01")
	require.Equal(t, payment.ClassApproved, attempt("refund-1", "60").Class)
	requireExceeds("refund-2", "40.01")
	gateway.Script(c.OrderID, fake.Pending())
	require.Equal(t, payment.ClassPending, attempt("refund-3", "40").Class)
	requireExceeds("refund-4", "0.01")
	requireExceeds("refund-2", "40.01")

	require.True(t, gateway.Complete("refund-3", fake.Decline("no")))
	require.Equal(t, payment.ClassApproved, attempt("refund-5", "40").Class)
	require.EqualValues(t, 100_00, gateway.RefundedOf(c.Key))

	unknown := c
	unknown.Key = "key-2"
	r := gateway.Charge(t.Context(), refundOf(t, unknown, "refund-6", "1"))
	require.Equal(t, fake.CodeExceedsCharge, r.Code)
}

// A returned refund keeps its first answer, a lookup finds that the money came back, and the amount is free again.
func TestReturn_SucceededRefund(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway(fake.Approve(), fake.Pending())
	c := charged(t, gateway)
	r := refundOf(t, c, "refund-1", "100")
	require.Equal(t, payment.ClassPending, gateway.Charge(t.Context(), r).Class)
	require.False(t, gateway.Return("refund-1"), "it is pending")
	require.True(t, gateway.Complete("refund-1", fake.Approve()))
	require.True(t, gateway.Return("refund-1"))
	require.False(t, gateway.Return("refund-1"))
	require.Equal(t, payment.FoundReturned, gateway.LookUp(t.Context(), refOf(r)).Result)
	require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), r).Class)
	decided, returned := gateway.DecidedRefund("refund-1")
	require.Equal(t, payment.ClassApproved, decided.Class)
	require.True(t, returned)
	require.Zero(t, gateway.RefundedOf(c.Key))
	require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), refundOf(t, c, "refund-2", "100")).Class)
	require.Equal(t, []bool{true, false}, []bool{gateway.Refunded()[0].Returned, gateway.Refunded()[1].Returned})
}

func TestIgnoreKeys_RefundsTwice(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	c := charged(t, gateway)
	gateway.IgnoreKeys()
	for range 3 { // the third exceeds what is left
		gateway.Charge(t.Context(), refundOf(t, c, "refund-1", "40"))
	}
	require.Equal(t, 2, gateway.RefundsWith("refund-1"))
	require.EqualValues(t, 80_00, gateway.RefundedOf(c.Key))
}

// A charge can be refunded when its key is forgotten, and a refund's key is forgotten as well.
func TestForgetAfter_Refund(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		gateway.ForgetAfter(24 * time.Hour)
		r := refundOf(t, charged(t, gateway), "refund-1", "40")
		time.Sleep(48 * time.Hour)
		require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), r).Class)
		time.Sleep(24 * time.Hour)
		require.Equal(t, payment.FoundNothing, gateway.LookUp(t.Context(), refOf(r)).Result)
		require.Equal(t, "refund-2", gateway.Charge(t.Context(), r).TransactionID)
		require.Equal(t, 2, gateway.RefundsWith("refund-1"))
	})
}

func TestLagLookUps_Refund(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway()
		gateway.LagLookUps(time.Second)
		r := refundOf(t, charged(t, gateway), "refund-1", "40")
		gateway.Charge(t.Context(), r)
		require.Equal(t, payment.FoundNothing, gateway.LookUp(t.Context(), refOf(r)).Result)
		time.Sleep(time.Second)
		require.Equal(t, payment.FoundApproved, gateway.LookUp(t.Context(), refOf(r)).Result)
	})
}
