package sandbox_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
)

// refundOf returns a refund of the charge.
func refundOf(t testing.TB, c payment.Charge, key, amount string) payment.Charge {
	t.Helper()
	return payment.Charge{
		Key: payment.GatewayKey(key), OrderID: c.OrderID, Operation: payment.OperationID{Kind: payment.KindRefund, Name: key},
		Of: payment.ChargeID{Key: c.Key}, Note: "returned goods", Money: money(t, amount, c.Money.Currency().Code()),
	}
}

func refOf(c payment.Charge) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Operation: c.Operation, Of: c.Of, Money: c.Money}
}

// large makes a charge of which a magic amount can be refunded.
func large(t testing.TB, g *sandbox.Gateway, key string) payment.Charge {
	t.Helper()
	c := charge(t, key, "20000")
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class)
	return c
}

// given returns how many lines of the ledger are refunds with the key that succeeded.
func given(t testing.TB, path, key string) (n int) {
	t.Helper()
	for _, line := range readLedger(t, path) {
		if line["key"] == key && line["charge_key"] != "" && line["status"] == "succeeded" {
			n++
		}
	}
	return n
}

// A refund of a magic amount has what a charge of it has, in virtual time.
func TestRefund_MagicAmounts(t *testing.T) {
	t.Parallel()
	for value, tt := range magicAmounts {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				path := ledgerPath(t)
				g := open(t, path)
				c := refundOf(t, large(t, g, "key-1"), "refund", value)
				for i, want := range []call{tt.first, tt.second} {
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					r := g.Charge(ctx, c)
					cancel()
					require.Equal(t, want, call{r.Class, g.LookUp(t.Context(), refOf(c)).Result, time.Since(began)}, r.Message)
					require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID == "refund-1", r.TransactionID)
					require.Equal(t, tt.code, r.Code)
					require.Empty(t, r.RedirectURL)
					if i == 0 {
						require.Equal(t, tt.retryAfter, r.RetryAfter)
					}
				}
				time.Sleep(time.Minute) // virtual; for what is refunded late, or returned
				want := payment.Lookup{Result: payment.FoundApproved, TransactionID: "refund-1"}
				if value == "9204" {
					want = payment.Lookup{Result: payment.FoundReturned}
					require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class, "its first answer again")
				}
				if tt.taken {
					require.Equal(t, want, g.LookUp(t.Context(), refOf(c)))
					require.Equal(t, 1, given(t, path, "refund"))
				} else {
					require.Zero(t, given(t, path, "refund"))
				}
			})
		})
	}
}

func TestRefund_NeverMoreThanIsLeft(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	c := large(t, g, "key-1")
	attempt := func(key, amount string, want payment.Class) {
		t.Helper()
		r := g.Charge(t.Context(), refundOf(t, c, key, amount))
		require.Equal(t, want, r.Class, r.Message)
		require.Equal(t, want == payment.ClassDeclined, r.Code == "amount_exceeds_charge", r.Code)
	}
	attempt("r-1", "20000.01", payment.ClassDeclined)
	attempt("r-2", "9201", payment.ClassPending)
	attempt("r-3", "10799.01", payment.ClassDeclined)
	attempt("r-4", "10799", payment.ClassApproved)
	attempt("r-5", "0.01", payment.ClassDeclined)

	// Everything is read from the disk.
	require.NoError(t, g.Close())
	g = open(t, path)
	attempt("r-6", "0.01", payment.ClassDeclined)
	require.True(t, g.CompleteRefund(t.Context(), "r-2", false))
	require.False(t, g.CompleteRefund(t.Context(), "r-2", true))
	attempt("r-5", "0.01", payment.ClassDeclined) // is final for its key
	attempt("r-7", "9200", payment.ClassApproved)
	require.True(t, g.Return(t.Context(), "r-4"))
	require.False(t, g.Return(t.Context(), "r-4"))
	require.False(t, g.Return(t.Context(), "key-1"))
	require.NoError(t, g.Close())
	g = open(t, path)
	require.Equal(t, payment.FoundReturned, g.LookUp(t.Context(), refOf(refundOf(t, c, "r-4", "1"))).Result)
	attempt("r-8", "10800.01", payment.ClassDeclined)
	attempt("r-9", "10800", payment.ClassApproved)
	attempt("r-10", "0.01", payment.ClassDeclined)
	require.Equal(t, "refund-3", g.LookUp(t.Context(), refOf(refundOf(t, c, "r-9", "1"))).TransactionID)
}

// Only a charge that took money can be refunded, and in its own currency.
func TestRefund_OfOtherChargesIsRefused(t *testing.T) {
	t.Parallel()
	g := open(t, ledgerPath(t))
	for amount, want := range map[string]payment.Class{"9402": payment.ClassDeclined, "9201": payment.ClassDeclined, "9500": payment.ClassRejected} {
		c := charge(t, "key-"+amount, amount)
		g.Charge(t.Context(), c)
		r := g.Charge(t.Context(), refundOf(t, c, "refund-"+amount, "1"))
		require.Equal(t, want, r.Class, r.Message)
	}
	c := large(t, g, "key-1")
	c.Money = money(t, "100", "EUR")
	require.Equal(t, payment.ClassDeclined, g.Charge(t.Context(), refundOf(t, c, "refund-1", "1")).Class)
	page, err := g.Charges(t.Context(), payment.LedgerQuery{To: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Len(t, page.Charges, 3, "the list has charges only")
}

// A charge can be refunded when its key is forgotten.
func TestRefund_OfAForgottenKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ledgerPath(t), sandbox.WithForgetAfter(time.Hour))
		r := refundOf(t, large(t, g, "key-1"), "refund", "60")
		time.Sleep(48 * time.Hour) // virtual
		require.Equal(t, "refund-1", g.Charge(t.Context(), r).TransactionID)
		time.Sleep(2 * time.Hour)
		require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), refOf(r)).Result)
		require.Equal(t, "refund-2", g.Charge(t.Context(), r).TransactionID)
	})
}

// What was to happen to a refund happens after a restart.
func TestRefund_ResumesAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := ledgerPath(t)
		g := open(t, path)
		c, other := large(t, g, "key-1"), large(t, g, "key-2")
		later, back, declined := refundOf(t, c, "later", "9202"), refundOf(t, other, "back", "9204"), refundOf(t, other, "never", "9203")
		for _, r := range []payment.Charge{later, back, declined} {
			g.Charge(t.Context(), r)
		}
		require.NoError(t, g.Close())
		time.Sleep(time.Hour) // virtual
		g = open(t, path)
		time.Sleep(time.Second)
		require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), refOf(later)).Result)
		require.Equal(t, payment.FoundReturned, g.LookUp(t.Context(), refOf(back)).Result)
		require.Equal(t, payment.FoundDeclined, g.LookUp(t.Context(), refOf(declined)).Result)
	})
}

func TestHandler_Refunds(t *testing.T) {
	t.Parallel()
	base, _ := serve(t, open(t, ledgerPath(t)))
	const exceeds = `{"status":"declined","code":"amount_exceeds_charge","message":"the refund exceeds what is left of the charge"}`
	_, _, _, err := post(t.Context(), base, "key-1", dollars("10000.00"))
	require.NoError(t, err)
	for _, tt := range []struct {
		name, charge, key, body string
		status                  int
		want                    string
	}{
		{"a part", "key-1", "r-1", `{"amount":"25.00","currency":"USD"}`, 200, `{"transaction_id":"refund-1","status":"succeeded"}`},
		{"the same", "key-1", "r-1", `{"amount":"25.00","currency":"USD"}`, 200, `{"transaction_id":"refund-1","status":"succeeded"}`},
		{"another amount", "key-1", "r-1", `{"amount":"25.01","currency":"USD"}`, 422, `{"code":"idempotency_key_reused","message":"the gateway key was used for a refund of another charge or amount; take a new key"}`},
		{"the key of the charge", "key-1", "key-1", `{"amount":"1.00","currency":"USD"}`, 200, `{"transaction_id":"refund-2","status":"succeeded"}`},
		{"declined", "key-1", "r-2", `{"amount":"9402.00","currency":"USD"}`, 402, `{"status":"declined","code":"card_declined","message":"the sandbox declines this amount"}`},
		{"pending", "key-1", "r-3", `{"amount":"9201.00","currency":"USD"}`, 200, `{"status":"pending"}`},
		{"more than is left", "key-1", "r-4", `{"amount":"774.00","currency":"USD"}`, 402, exceeds},
		{"again", "key-1", "r-4", `{"amount":"774.00","currency":"USD"}`, 402, exceeds},
		{"of no charge", "key-2", "r-5", `{"amount":"1.00","currency":"USD"}`, 404, `{"code":"not_found","message":"no charge has this key"}`},
		{"a further member", "key-1", "r-6", `{"amount":"1.00","currency":"USD","order_id":"order-1"}`, 400, ""},
		{"a number", "key-1", "r-6", `{"amount":1.00,"currency":"USD"}`, 400, ""},
		{"few decimals", "key-1", "r-6", `{"amount":"1","currency":"USD"}`, 400, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/charges/"+tt.charge+"/refunds", strings.NewReader(tt.body))
		require.NoError(t, err)
		req.Header.Set("Idempotency-Key", tt.key)
		status, body, header, err := do(req)
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.status, status, "%s: %s", tt.name, body)
		if tt.want != "" {
			require.JSONEq(t, tt.want, body, tt.name)
		}
		require.Equal(t, []string{tt.key}, header["Idempotency-Key"], "the mark: %s", tt.name)
	}
	const none = `{"code":"not_found","message":"no refund of this charge has this key"}`
	for path, want := range map[string]string{
		"key-1/refunds/r-1": `{"transaction_id":"refund-1","status":"succeeded"}`,
		"key-1/refunds/r-2": `{"status":"declined","code":"card_declined"}`,
		"key-1/refunds/r-3": `{"status":"pending"}`,
		"key-1/refunds/r-4": `{"status":"declined","code":"amount_exceeds_charge"}`,
		"key-1/refunds/r-6": none,
		"key-2/refunds/r-1": none,
		"r-1":               `{"code":"not_found","message":"no charge has this key"}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/charges/"+path, http.NoBody)
		require.NoError(t, err)
		_, body, header, err := do(req)
		require.NoError(t, err)
		require.JSONEq(t, want, body, path)
		require.Equal(t, []string{path[strings.LastIndex(path, "/")+1:]}, header["Idempotency-Key"], "the mark: %s", path)
	}
}

// The ledger has the refund_id of the request that has one. A repeat may lack it, as one of an older version does.
func TestRefund_LedgerHasTheRefundID(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	c := large(t, g, "key-1")
	named := refundOf(t, c, "key-2", "25")
	named.Operation.Name = "r-1"
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), named).Class)
	base, _ := serve(t, g)
	for key, id := range map[string]string{"key-2": "", "key-3": "r-3"} {
		req, err := http.NewRequestWithContext(
			t.Context(), http.MethodPost, base+"/charges/key-1/refunds", strings.NewReader(`{"amount":"25.00","currency":"USD"}`))
		require.NoError(t, err)
		req.Header.Set("Idempotency-Key", key)
		req.Header.Set("Refund-Id", id)
		status, body, _, err := do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, body)
	}
	ids := map[string]string{}
	for _, line := range readLedger(t, path) {
		if line["charge_key"] != "" {
			ids[line["key"]] = line["refund_id"]
		}
	}
	require.Equal(t, map[string]string{"key-2": "r-1", "key-3": "r-3"}, ids)
	require.NoError(t, g.Close())
	g = open(t, path)
	other := named
	other.Operation.Name = "r-2"
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), named).Class)
	require.Equal(t, payment.ClassKeyReused, g.Charge(t.Context(), other).Class)
}

func TestOpen_RefusesADamagedRefund(t *testing.T) {
	t.Parallel()
	const charged = `{"key":"key-1","order_id":"o","amount":"9.00","currency":"USD","status":"succeeded","transaction_id":"txn-1","at":"2026-03-01T00:00:00Z"}` + "\n"
	line := func(rest string) string {
		return `{"key":"r-1","order_id":"o","amount":"5.00","currency":"USD","at":"2026-03-01T00:00:00Z",` + rest + "}\n"
	}
	const of, since = `"charge_key":"key-1",`, `,"pending_since":"2026-03-01T00:00:00Z"`
	succeeded, returned := line(of+`"status":"succeeded","transaction_id":"refund-1"`), line(of+`"status":"returned","transaction_id":"refund-1"`+since)
	for name, tt := range map[string]struct{ lines, want string }{
		"of no charge":                   {line(`"charge_key":"key-2","status":"pending"`), "no line before has"},
		"of a bad key":                   {line(`"charge_key":"a b","status":"pending"`), "without spaces"},
		"a charge's id":                  {line(of + `"status":"succeeded","transaction_id":"txn-2"`), "transaction_id must be refund- and a number"},
		"voided":                         {line(of + `"status":"voided","void_key":"v"`), "status must be"},
		"a returned charge":              {line(`"status":"returned","transaction_id":"txn-2"`), "status must be"},
		"returned while it is not there": {returned, "returns a refund that has not succeeded"},
		"returned twice":                 {succeeded + returned + returned, "returns a refund that has not succeeded"},
		"decided twice":                  {succeeded + line(of+`"status":"declined","code":"c"`+since), "not pending"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ledgerPath(t)
			require.NoError(t, os.WriteFile(path, []byte(charged+tt.lines), 0o600))
			_, err := sandbox.Open(path)
			require.ErrorContains(t, err, tt.want)
		})
	}
	path := ledgerPath(t)
	require.NoError(t, os.WriteFile(path, []byte(charged+succeeded+returned), 0o600))
	open(t, path)
}
