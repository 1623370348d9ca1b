package sandbox_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
)

// timeout of each charge of a magic amount.
const timeout = 5 * time.Second

// call is the result of a charge, and of a lookup after it.
type call struct {
	class payment.Class
	found payment.LookupResult
	took  time.Duration
}

var (
	approvedCall = call{payment.ClassApproved, payment.FoundApproved, 0}
	declinedCall = call{payment.ClassDeclined, payment.FoundDeclined, 0}
	lostCall     = call{payment.ClassUnknownUnanswered, payment.FoundNothing, 0}
	pendingCall  = call{payment.ClassPending, payment.FoundPending, 0}
)

// magicAmounts are the first two charges of each amount with one key.
var magicAmounts = map[string]struct {
	first, second call
	code          string
	retryAfter    time.Duration
	taken         bool
}{
	"9201": {pendingCall, pendingCall, "", 0, false},
	"9202": {pendingCall, pendingCall, "", 0, true},
	"9203": {pendingCall, pendingCall, "", 0, false},
	"9204": {approvedCall, approvedCall, "", 0, true},
	"9301": {approvedCall, approvedCall, "", 0, true},
	"9302": {approvedCall, approvedCall, "", 0, true},
	"9311": {approvedCall, approvedCall, "", 0, true},
	"9312": {approvedCall, approvedCall, "", 0, true},
	"9313": {approvedCall, approvedCall, "", 0, true},
	"9314": {approvedCall, approvedCall, "", 0, true},
	"9315": {approvedCall, approvedCall, "", 0, true},
	"9400": {
		call{payment.ClassRejected, payment.FoundNothing, 0},
		call{payment.ClassRejected, payment.FoundNothing, 0},
		"", 0, false,
	},
	"9402": {declinedCall, declinedCall, "card_declined", 0, false},
	"9429": {call{payment.ClassNotCharged, payment.FoundNothing, 0}, approvedCall, "", time.Second, true},
	"9451": {declinedCall, declinedCall, "insufficient_funds", 0, false},
	"9462": {call{payment.ClassUnknownUnanswered, payment.FoundApproved, 0}, approvedCall, "", 0, true},
	"9464": {lostCall, lostCall, "", 0, false},
	"9501": {call{payment.ClassUnknownAnswered, payment.FoundApproved, 0}, approvedCall, "", 0, true},
	"9502": {
		call{payment.ClassNotCharged, payment.FoundNothing, 0},
		call{payment.ClassNotCharged, payment.FoundNothing, 0},
		"", 0, false,
	},
	"9563": {lostCall, lostCall, "", 0, true},
	"9500": {
		call{payment.ClassUnknownAnswered, payment.FoundNothing, 0},
		call{payment.ClassUnknownAnswered, payment.FoundNothing, 0},
		"", 0, false,
	},
	"9503": {call{payment.ClassUnknownAnswered, payment.FoundNothing, 0}, approvedCall, "", 0, true},
	"9504": {call{payment.ClassUnknownUnanswered, payment.FoundApproved, 0}, approvedCall, "", 0, true},
	"9505": {
		call{payment.ClassUnknownUnanswered, payment.FoundNothing, timeout},
		call{payment.ClassUnknownUnanswered, payment.FoundNothing, timeout},
		"", 0, false,
	},
	"9506": {lostCall, lostCall, "", 0, true},
	"9508": {call{payment.ClassApproved, payment.FoundApproved, 3 * time.Second}, approvedCall, "", 0, true},
	"9999": {approvedCall, approvedCall, "", 0, true},
}

// Each magic amount, in virtual time: the results of two charges and of a lookup after each, how long
// the charges take, and what is charged in the end.
func TestCharge_MagicAmounts(t *testing.T) {
	t.Parallel()
	for _, a := range sandbox.Amounts() {
		require.Contains(t, magicAmounts, a.Value, "a magic amount without a test")
		require.NotEmpty(t, a.Does)
	}
	require.True(t, slices.IsSortedFunc(sandbox.Amounts(), func(a, b sandbox.Amount) int {
		if a.Value < b.Value {
			return -1
		}
		return 1
	}))
	for value, tt := range magicAmounts {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				path := ledgerPath(t)
				g := open(t, path)
				c := charge(t, "key-1", value)
				for i, want := range []call{tt.first, tt.second} {
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					r := g.Charge(ctx, c)
					cancel()
					require.Equal(t, want, call{r.Class, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result, time.Since(began)}, r.Message)
					require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID == "txn-1", r.TransactionID)
					require.Equal(t, tt.code, r.Code)
					if i == 0 {
						require.Equal(t, tt.retryAfter, r.RetryAfter)
					}
				}
				time.Sleep(time.Minute) // virtual; for what is charged late
				if tt.taken {
					require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: "txn-1"},
						g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}))
				}
				for i, line := range slices.Backward(readLedger(t, path)) {
					require.Equal(t, tt.taken && i == len(readLedger(t, path))-1, line["status"] == "succeeded")
				}
			})
		})
	}
}

func TestCharge_MagicAmountsInAllCurrencies(t *testing.T) {
	t.Parallel()
	g := open(t, ledgerPath(t))
	tests := []struct {
		amount, currency string
		want             payment.Class
	}{
		{"9402", "JPY", payment.ClassDeclined},
		{"9402", "USD", payment.ClassDeclined},
		{"9402.00", "USD", payment.ClassDeclined},
		{"9402.000", "KWD", payment.ClassDeclined},
		{"9402.0000", "CLF", payment.ClassDeclined},
		{"9402.01", "USD", payment.ClassApproved},
		{"94.02", "USD", payment.ClassApproved},
		{"940200", "JPY", payment.ClassApproved},
		{"19402", "USD", payment.ClassApproved},
	}
	for _, tt := range tests {
		c := payment.Charge{
			Key: payment.GatewayKey(tt.amount + tt.currency), OrderID: "order-1", Money: money(t, tt.amount, tt.currency),
		}
		require.Equal(t, tt.want, g.Charge(t.Context(), c).Class, c.Key)
	}
}

func TestCharge_SlowChargeContinuesWithoutItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ledgerPath(t))
		c := charge(t, "key-1", "9508")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(ctx, c).Class)
		require.Equal(t, payment.FoundProcessing, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)

		began := time.Now() // the second caller waits for the first one's charge
		require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class)
		require.Equal(t, 2*time.Second, time.Since(began))

		other := c
		other.OrderID = "order-2"
		require.Equal(t, payment.ClassKeyReused, g.Charge(t.Context(), other).Class)
	})
}

// The key of a delayed request is unknown until the request arrives, and is then charged once.
func TestCharge_LateChargeIsUnknownUntilItArrives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := ledgerPath(t)
		g := open(t, path)
		c := charge(t, "key-1", "9506")
		for range 4 {
			require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), c).Class)
			require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
			time.Sleep(2 * time.Second) // virtual
		}
		other := c
		other.Money = money(t, "100", "USD")
		require.Equal(t, payment.ClassKeyReused, g.Charge(t.Context(), other).Class)

		time.Sleep(3 * time.Second) // virtual; 11 s after the first
		require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class)
		require.Len(t, readLedger(t, path), 1)
	})
}

func TestCharge_LatencyDelaysTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ledgerPath(t), sandbox.WithLatency(300*time.Millisecond))
		began := time.Now()
		require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), charge(t, "key-1", "1")).Class)
		require.Equal(t, 300*time.Millisecond, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(ctx, charge(t, "key-2", "1")).Class)
		require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-2"}).Result)
		require.Equal(t, 400*time.Millisecond, time.Since(began))
	})
}

func TestClose_EndsCallsWithoutAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := ledgerPath(t)
		g := open(t, path)
		results := make(chan payment.Result)
		for _, amount := range []string{"9505", "9508"} {
			c := charge(t, "key-"+amount, amount)
			go func() { results <- g.Charge(context.Background(), c) }()
		}
		require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), charge(t, "key-9506", "9506")).Class)
		synctest.Wait()
		require.NoError(t, g.Close())
		require.Equal(t, payment.ClassUnknownUnanswered, (<-results).Class)
		require.Equal(t, payment.ClassUnknownUnanswered, (<-results).Class)
		time.Sleep(time.Minute) // virtual

		require.Equal(t, payment.ClassUnknownUnanswered, g.Charge(t.Context(), charge(t, "key-1", "1")).Class)
		require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
		require.NoError(t, g.Close(), "a second time")
		require.Empty(t, readLedger(t, path))
	})
}
