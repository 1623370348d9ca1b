package fake_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// orderOne is a charge of order-1 with the key.
func orderOne(t testing.TB, key payment.GatewayKey) payment.Charge {
	t.Helper()
	return payment.Charge{Key: key, OrderID: "order-1", Money: usd(t, "100")}
}

func TestCharge_BySteps(t *testing.T) {
	t.Parallel()
	const late = time.Minute
	tests := map[string]struct {
		step    fake.Step
		class   payment.Class
		charges int // when the caller gets the result
		after   int // when every request has arrived
		found   payment.LookupResult
	}{
		"approve":      {fake.Approve(), payment.ClassApproved, 1, 1, payment.FoundApproved},
		"decline":      {fake.Decline("no"), payment.ClassDeclined, 0, 0, payment.FoundDeclined},
		"reject":       {fake.Reject(), payment.ClassRejected, 0, 0, payment.FoundNothing},
		"refuse":       {fake.Refuse(), payment.ClassNotCharged, 0, 0, payment.FoundNothing},
		"unavailable":  {fake.Unavailable(), payment.ClassUnknownAnswered, 0, 0, payment.FoundNothing},
		"server error": {fake.ChargeThenServerError(), payment.ClassUnknownAnswered, 1, 1, payment.FoundApproved},
		"timeout":      {fake.Timeout(), payment.ClassUnknownUnanswered, 0, 0, payment.FoundNothing},
		"lose answer":  {fake.LoseAnswer(), payment.ClassUnknownUnanswered, 1, 1, payment.FoundApproved},
		"charge late":  {fake.ChargeLate(late), payment.ClassUnknownUnanswered, 0, 1, payment.FoundNothing},
		"decline without answer": {
			fake.WithoutAnswer(fake.Decline("no")), payment.ClassUnknownUnanswered, 0, 0, payment.FoundDeclined,
		},
		"slow refusal": {
			fake.Slow(time.Second, fake.Unavailable()), payment.ClassUnknownAnswered, 0, 0, payment.FoundNothing,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gateway := fake.NewGateway(test.step)
				c := orderOne(t, "key-1")
				require.Equal(t, test.class, gateway.Charge(t.Context(), c).Class)
				require.Equal(t, test.found, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
				require.Equal(t, test.charges, gateway.Charges(c.OrderID))
				require.Equal(t, test.charges == test.after, gateway.Settled())

				time.Sleep(late)
				require.Equal(t, test.after, gateway.Charges(c.OrderID))
				require.True(t, gateway.Settled())
				gateway.Charge(t.Context(), c) // the script is used up
				require.LessOrEqual(t, gateway.Charges(c.OrderID), 1)
			})
		})
	}
}

func TestCharge_RetryAfter(t *testing.T) {
	t.Parallel()
	r := fake.NewGateway(fake.RefuseFor(time.Minute)).Charge(t.Context(), orderOne(t, "key-1"))
	require.Equal(t, payment.ClassNotCharged, r.Class)
	require.Equal(t, time.Minute, r.RetryAfter)
}

func TestCharge_SlowGatewayContinues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway(fake.Slow(10*time.Second, fake.Approve()))
		c := orderOne(t, "key-1")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		require.Equal(t, payment.ClassUnknownUnanswered, gateway.Charge(ctx, c).Class)
		require.Equal(t, 3*time.Second, time.Since(began))

		// The gateway continues after the caller has given up.
		require.Equal(t, payment.FoundProcessing, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		busy := gateway.Charge(t.Context(), c)
		require.Equal(t, payment.ClassUnknownUnanswered, busy.Class, "an attempt is running")
		require.True(t, busy.Answered)
		time.Sleep(7 * time.Second)
		l := gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key})
		require.Equal(t, payment.FoundApproved, l.Result)
		r := gateway.Charge(t.Context(), c)
		require.Equal(t, l.TransactionID, r.TransactionID)
		require.Equal(t, 1, gateway.Charges(c.OrderID))
		require.Equal(t, began.Add(10*time.Second), gateway.Taken()[0].At)
	})
}

// A request arrives after a later attempt with its key has charged.
func TestCharge_LateRequestHonoursKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := fake.NewGateway(fake.ChargeLate(time.Minute))
		c := orderOne(t, "key-1")
		gateway.Charge(t.Context(), c)
		require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), c).Class)
		time.Sleep(time.Hour)
		require.Equal(t, 1, gateway.Charges(c.OrderID))
	})
}

// If keys are not honoured, every repeat is a double charge.
func TestIgnoreKeys_RepeatChargesAgain(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	gateway.IgnoreKeys()
	require.False(t, gateway.Capabilities().HonoursKeys())
	c := orderOne(t, "key-1")
	first := gateway.Charge(t.Context(), c)
	second := gateway.Charge(t.Context(), c)
	require.NotEqual(t, first.TransactionID, second.TransactionID)
	require.Equal(t, 2, gateway.Charges(c.OrderID))
	require.Equal(t, first.TransactionID, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).TransactionID)
}

func TestCharge_KeyOfAnotherChargeIsRefused(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	c := orderOne(t, "key-1")
	gateway.Charge(t.Context(), c)
	c.Money = usd(t, "101")
	require.Equal(t, payment.ClassKeyReused, gateway.Charge(t.Context(), c).Class)
	require.Equal(t, 1, gateway.Charges(c.OrderID))
	require.Equal(t, payment.ClassApproved, gateway.Decided(c.Key).Class)
	require.Empty(t, gateway.Decided("key-2").Class)
}

func TestScript_OrdersFirst(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway(fake.Timeout())
	gateway.Script("order-1", fake.Refuse(), fake.Unavailable())
	gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Reject() })
	var classes []payment.Class
	for _, key := range []payment.GatewayKey{"key-1", "key-1", "key-2", "key-1"} {
		classes = append(classes, gateway.Charge(t.Context(), orderOne(t, key)).Class)
	}
	require.Equal(t, []payment.Class{
		payment.ClassNotCharged, payment.ClassUnknownAnswered, // the order's script
		payment.ClassUnknownUnanswered, // the common one
		payment.ClassRejected,
	}, classes)
	require.Len(t, gateway.Attempts(), 4)
	require.Equal(t, []payment.GatewayKey{"key-1", "key-2"}, gateway.Keys("order-1"))
	require.Empty(t, gateway.Keys("order-2"))
}

func TestScriptLookUps_InOrder(t *testing.T) {
	t.Parallel()
	gateway := fake.NewGateway()
	gateway.ScriptLookUps(fake.NoAnswer, fake.StillProcessing, fake.SaysPending, fake.SaysVoided, fake.SaysNothing, fake.SaysDeclined)
	c := orderOne(t, "key-1")
	gateway.Charge(t.Context(), c)
	for _, want := range []payment.LookupResult{
		payment.FoundNoAnswer, payment.FoundProcessing, payment.FoundPending, payment.FoundVoided, payment.FoundNothing,
		payment.FoundDeclined, payment.FoundApproved, payment.FoundApproved,
	} {
		require.Equal(t, want, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
	}
	require.Equal(t, 8, gateway.LookUps())
}

// Whether the gateway itself has answered is about its health, not about the money.
func TestCharge_AnsweredByTheGateway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step     fake.Step
		class    payment.Class
		answered bool
		charges  int
		found    payment.LookupResult
	}{
		"approve":                {fake.Approve(), payment.ClassApproved, true, 1, payment.FoundApproved},
		"decline":                {fake.Decline("no"), payment.ClassDeclined, true, 0, payment.FoundDeclined},
		"decline the attempt":    {fake.DeclineAttempt("no"), payment.ClassDeclined, true, 0, payment.FoundNothing},
		"reject":                 {fake.Reject(), payment.ClassRejected, true, 0, payment.FoundNothing},
		"key reused":             {fake.KeyReused(), payment.ClassKeyReused, true, 0, payment.FoundNothing},
		"running":                {fake.Running(), payment.ClassUnknownUnanswered, true, 0, payment.FoundNothing},
		"pending":                {fake.Pending(), payment.ClassPending, true, 0, payment.FoundPending},
		"not charged":            {fake.NotChargedAnswer(), payment.ClassNotCharged, true, 0, payment.FoundNothing},
		"too many requests":      {fake.RefuseFor(time.Second), payment.ClassNotCharged, true, 0, payment.FoundNothing},
		"refuse":                 {fake.Refuse(), payment.ClassNotCharged, false, 0, payment.FoundNothing},
		"unavailable":            {fake.Unavailable(), payment.ClassUnknownAnswered, true, 0, payment.FoundNothing},
		"server error":           {fake.ChargeThenServerError(), payment.ClassUnknownAnswered, true, 1, payment.FoundApproved},
		"timeout":                {fake.Timeout(), payment.ClassUnknownUnanswered, false, 0, payment.FoundNothing},
		"lose the answer":        {fake.LoseAnswer(), payment.ClassUnknownUnanswered, false, 1, payment.FoundApproved},
		"intermediary":           {fake.Intermediary(402, fake.Approve()), payment.ClassUnknownUnanswered, false, 1, payment.FoundApproved},
		"intermediary, lost":     {fake.Intermediary(503, fake.Timeout()), payment.ClassUnknownUnanswered, false, 0, payment.FoundNothing},
		"intermediary, declined": {fake.Intermediary(404, fake.Decline("no")), payment.ClassUnknownUnanswered, false, 0, payment.FoundDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway, c := fake.NewGateway(tt.step), orderOne(t, "key-1")
			r := gateway.Charge(t.Context(), c)
			require.Equal(t, tt.class, r.Class)
			require.Equal(t, tt.answered, r.Answered, r.Message)
			require.Equal(t, tt.charges, gateway.Charges(c.OrderID))
			require.Equal(t, tt.found, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		})
	}
}

// The first attempt has taken the money, and the second is declined as a duplicate.
func TestDeclineAttempt_AfterACharge(t *testing.T) {
	t.Parallel()
	gateway, c := fake.NewGateway(fake.LoseAnswer(), fake.DeclineAttempt("duplicate_transaction")), orderOne(t, "key-1")
	require.Equal(t, payment.ClassUnknownUnanswered, gateway.Charge(t.Context(), c).Class)
	r := gateway.Charge(t.Context(), c)
	require.Equal(t, payment.ClassDeclined, r.Class)
	require.Equal(t, "duplicate_transaction", r.Code)
	require.Equal(t, payment.FoundApproved, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
	require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), c).Class)
	require.Equal(t, 1, gateway.Charges(c.OrderID))
}

func TestComplete_DecidesPendingCharge(t *testing.T) {
	t.Parallel()
	gateway, c := fake.NewGateway(fake.Pending()), orderOne(t, "key-1")
	require.False(t, gateway.Complete(c.Key, fake.Approve()))
	for range 2 {
		require.Equal(t, payment.ClassPending, gateway.Charge(t.Context(), c).Class)
	}
	require.True(t, gateway.Complete(c.Key, fake.Approve()))
	require.False(t, gateway.Complete(c.Key, fake.Decline("no")))
	require.Equal(t, 1, gateway.Charges(c.OrderID))
	require.Equal(t, gateway.Charge(t.Context(), c).TransactionID, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).TransactionID)
}

func TestLagLookUps_FindsChargeAfterTheLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway, c := fake.NewGateway(), orderOne(t, "key-1")
		gateway.LagLookUps(2 * time.Second)
		require.Equal(t, 2*time.Second, gateway.Capabilities().LookupLag)
		gateway.Charge(t.Context(), c)
		require.Equal(t, payment.FoundNothing, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		time.Sleep(2*time.Second - 1)
		require.Equal(t, payment.FoundNothing, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		require.Equal(t, payment.ClassApproved, gateway.Charge(t.Context(), c).Class)
		time.Sleep(time.Nanosecond)
		require.Equal(t, payment.FoundApproved, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		require.Equal(t, 1, gateway.Charges(c.OrderID))
	})
}

func TestForgetAfter_RepeatChargesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway, c := fake.NewGateway(), orderOne(t, "key-1")
		gateway.ForgetAfter(24 * time.Hour)
		require.Equal(t, 24*time.Hour, gateway.Capabilities().KeyLifetime)
		gateway.Charge(t.Context(), c)
		time.Sleep(24*time.Hour - 1)
		gateway.Charge(t.Context(), c)
		require.Equal(t, 1, gateway.Charges(c.OrderID))
		time.Sleep(time.Nanosecond)
		require.Equal(t, payment.FoundNothing, gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		require.Equal(t, "txn-2", gateway.Charge(t.Context(), c).TransactionID)
		require.Equal(t, "txn-2", gateway.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).TransactionID)
		require.Equal(t, 2, gateway.Charges(c.OrderID))
		time.Sleep(24*time.Hour - 1)
		require.Equal(t, "txn-2", gateway.Charge(t.Context(), c).TransactionID)
	})
}
