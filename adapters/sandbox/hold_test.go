package sandbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
)

const week = 7 * 24 * time.Hour

// hold holds money, and requires that it is authorized.
func hold(t testing.TB, g *sandbox.Gateway, key, amount string) payment.Charge {
	t.Helper()
	c := charge(t, key, amount)
	c.Capture = payment.CaptureManual
	require.Equal(t, payment.ClassAuthorized, g.Charge(t.Context(), c).Class)
	return c
}

// operationOf returns a capture or a void of the charge.
func operationOf(t testing.TB, kind payment.Kind, c payment.Charge, key, amount string) payment.Charge {
	t.Helper()
	o := refundOf(t, c, key, amount)
	o.Operation = payment.OperationID{Kind: kind}
	return o
}

func captureOf(t testing.TB, c payment.Charge, key, amount string) payment.Charge {
	t.Helper()
	return operationOf(t, payment.KindCapture, c, key, amount)
}

func voidOf(t testing.TB, c payment.Charge, key string) payment.Charge {
	t.Helper()
	return operationOf(t, payment.KindVoid, c, key, "1") // a void has no amount
}

// state is what a lookup finds of a charge.
func state(t testing.TB, g *sandbox.Gateway, c payment.Charge, want payment.LookupResult) payment.Lookup {
	t.Helper()
	l := g.LookUp(t.Context(), refOf(c))
	require.Equal(t, want, l.Result, l.Message)
	return l
}

// A capture of a magic amount has what a charge of it has, in virtual time.
func TestCapture_MagicAmounts(t *testing.T) {
	t.Parallel()
	for value, tt := range magicAmounts {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				path := ledgerPath(t)
				g := open(t, path)
				h := hold(t, g, "key-1", "20000")
				c := captureOf(t, h, "capture", value)
				for _, want := range []call{tt.first, tt.second} {
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					r := g.Charge(ctx, c)
					cancel()
					require.Equal(t, want, call{r.Class, g.LookUp(t.Context(), refOf(c)).Result, time.Since(began)}, r.Message)
					require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID == "capture-1", r.TransactionID)
					require.Equal(t, tt.code, r.Code)
				}
				time.Sleep(time.Minute) // virtual; for what is captured late
				if !tt.taken {
					state(t, g, h, payment.FoundAuthorized)
					require.Zero(t, given(t, path, "capture"))
					return
				}
				require.Equal(t, c.Money, state(t, g, h, payment.FoundApproved).Captured)
				require.Equal(t, 1, given(t, path, "capture"))
			})
		})
	}
}

// What the amount of a charge does to its hold, and to voids of it.
func TestVoid_MagicAmounts(t *testing.T) {
	t.Parallel()
	for value, tt := range map[string]struct {
		first, second call
		found         payment.LookupResult // of the charge, after a minute
	}{
		"100":  {approvedCall, approvedCall, payment.FoundVoided},
		"9402": {call{class: payment.ClassDeclined, found: payment.FoundDeclined}, call{class: payment.ClassDeclined, found: payment.FoundDeclined}, payment.FoundDeclined},
		"9301": {approvedCall, approvedCall, payment.FoundVoided},
		"9302": {call{class: payment.ClassDeclined, found: payment.FoundDeclined}, call{class: payment.ClassDeclined, found: payment.FoundDeclined}, payment.FoundApproved},
		"9311": {call{class: payment.ClassUnknownUnanswered, found: payment.FoundApproved}, approvedCall, payment.FoundVoided},
		"9312": {call{class: payment.ClassDeclined, found: payment.FoundDeclined}, call{class: payment.ClassDeclined, found: payment.FoundDeclined}, payment.FoundAuthorized},
		"9313": {
			call{payment.ClassUnknownUnanswered, payment.FoundNothing, timeout},
			call{payment.ClassUnknownUnanswered, payment.FoundNothing, timeout},
			payment.FoundAuthorized,
		},
		"9314": {call{class: payment.ClassPending, found: payment.FoundPending}, call{class: payment.ClassPending, found: payment.FoundPending}, payment.FoundVoided},
		"9315": {call{class: payment.ClassPending, found: payment.FoundPending}, call{class: payment.ClassPending, found: payment.FoundPending}, payment.FoundAuthorized},
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				path := ledgerPath(t)
				g := open(t, path)
				c := charge(t, "key-1", value)
				c.Capture = payment.CaptureManual
				g.Charge(t.Context(), c)
				v := voidOf(t, c, "void")
				for _, want := range []call{tt.first, tt.second} {
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					r := g.Charge(ctx, v)
					cancel()
					require.Equal(t, want, call{r.Class, g.LookUp(t.Context(), refOf(v)).Result, time.Since(began)}, r.Message)
					require.Equal(t, r.Class == payment.ClassApproved, r.TransactionID == "void", r.TransactionID)
				}
				time.Sleep(time.Minute) // virtual
				state(t, g, c, tt.found)
				require.NoError(t, g.Close())
				g = open(t, path)
				state(t, g, c, tt.found)
				found := g.LookUp(t.Context(), refOf(v)).Result
				require.Equal(t, tt.found == payment.FoundVoided, found == payment.FoundApproved, found)
			})
		})
	}
}

// A hold expires when its time is over, also while the sandbox is stopped, and its answer says when that is.
func TestHold_Expires(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"running": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				path := ledgerPath(t)
				g := open(t, path)
				began := time.Now()
				c := hold(t, g, "key-1", "100")
				require.WithinDuration(t, began.Add(week), g.Charge(t.Context(), c).HoldExpires, 0)
				require.WithinDuration(t, began.Add(week), state(t, g, c, payment.FoundAuthorized).HoldExpires, 0)
				if restart {
					require.NoError(t, g.Close())
					g = open(t, path, sandbox.WithHoldFor(time.Hour)) // does not change holds that exist
					defer func() { require.NoError(t, g.Close()) }()
				}
				time.Sleep(week - time.Second) // virtual
				state(t, g, c, payment.FoundAuthorized)
				time.Sleep(2 * time.Second)
				state(t, g, c, payment.FoundVoided)
				r := g.Charge(t.Context(), captureOf(t, c, "capture", "100"))
				require.Equal(t, payment.ClassDeclined, r.Class)
				require.Equal(t, payment.DeclineHoldExpired, r.Code)
				require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), voidOf(t, c, "void")).Class, "it takes no money any more")
				require.Equal(t, payment.ClassAuthorized, g.Charge(t.Context(), c).Class, "the first result again")
			})
		})
	}
}

// A hold that a pending capture may take does not expire before that is decided.
func TestHold_ExpiresAfterAPendingCapture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ledgerPath(t), sandbox.WithHoldFor(time.Hour))
		taken, released := hold(t, g, "key-1", "20000"), hold(t, g, "key-2", "20000")
		for _, c := range []payment.Charge{taken, released} {
			require.Equal(t, payment.ClassPending, g.Charge(t.Context(), captureOf(t, c, "of-"+string(c.Key), "9201")).Class)
			require.Equal(t, "in_progress", g.Charge(t.Context(), voidOf(t, c, "void-"+string(c.Key))).Code)
			require.Equal(t, "in_progress", g.Charge(t.Context(), captureOf(t, c, "again-"+string(c.Key), "1")).Code)
		}
		time.Sleep(2 * time.Hour) // virtual
		state(t, g, taken, payment.FoundAuthorized)
		require.True(t, g.CompleteOperation(t.Context(), payment.KindCapture, "of-key-1", true))
		require.True(t, g.CompleteOperation(t.Context(), payment.KindCapture, "of-key-2", false))
		state(t, g, taken, payment.FoundApproved)
		state(t, g, released, payment.FoundVoided)
		require.False(t, g.ExpireHold(t.Context(), taken.Key))
	})
}

// Captures and voids are kept on disk, and decide there what is left.
func TestHold_SurvivesARestart(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	whole, part, voided, held := hold(t, g, "key-1", "100"), hold(t, g, "key-2", "100"), hold(t, g, "key-3", "100"), hold(t, g, "key-4", "100")
	for _, c := range []payment.Charge{captureOf(t, whole, "c-1", "100"), captureOf(t, part, "c-2", "60"), voidOf(t, voided, "v-3")} {
		require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class)
	}
	for range 2 {
		require.Zero(t, state(t, g, whole, payment.FoundApproved).Captured, "all of it")
		require.Equal(t, money(t, "60", "USD"), state(t, g, part, payment.FoundApproved).Captured)
		state(t, g, voided, payment.FoundVoided)
		state(t, g, held, payment.FoundAuthorized)
		require.Equal(t, "capture-2", state(t, g, captureOf(t, part, "c-2", "60"), payment.FoundApproved).TransactionID)
		require.Equal(t, "v-3", state(t, g, voidOf(t, voided, "v-3"), payment.FoundApproved).TransactionID)
		for code, c := range map[string]payment.Charge{
			payment.DeclineSucceeded: captureOf(t, part, "c-5", "1"), payment.DeclineVoided: captureOf(t, voided, "c-6", "1"),
			payment.DeclineExceeds: captureOf(t, held, "c-7", "100.01"),
		} {
			r := g.Charge(t.Context(), c)
			require.Equal(t, payment.ClassDeclined, r.Class)
			require.Equal(t, code, r.Code)
			require.Equal(t, code, state(t, g, c, payment.FoundDeclined).Code)
		}
		require.Equal(t, payment.DeclineSucceeded, g.Charge(t.Context(), voidOf(t, whole, "v-1")).Code)
		require.Equal(t, payment.DeclineExceeds, g.Charge(t.Context(), refundOf(t, part, "r-1", "60.01")).Code)
		require.Equal(t, payment.DeclineExceeds, g.Charge(t.Context(), refundOf(t, held, "r-2", "1")).Code)
		page, err := g.Charges(t.Context(), payment.LedgerQuery{To: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		var states []payment.LookupResult
		for _, c := range page.Charges {
			states = append(states, c.State)
		}
		require.Equal(t, []payment.LookupResult{payment.FoundApproved, payment.FoundApproved, payment.FoundVoided, payment.FoundAuthorized}, states)
		require.NoError(t, g.Close())
		g = open(t, path)
	}
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), refundOf(t, part, "r-3", "60")).Class)
	require.Equal(t, "capture-3", g.Charge(t.Context(), captureOf(t, held, "c-4", "100")).TransactionID)
}

// A void whose key was forgotten is made again, and changes nothing.
func TestVoid_OfAForgottenKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := ledgerPath(t)
		g := open(t, path, sandbox.WithForgetAfter(time.Hour))
		c := hold(t, g, "key-1", "100")
		for range 2 {
			require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), voidOf(t, c, "void")).Class)
			time.Sleep(2 * time.Hour) // virtual
		}
		require.NoError(t, g.Close())
		state(t, open(t, path), c, payment.FoundVoided)
	})
}

func TestHandler_Holds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := sandbox.Handler(open(t, ledgerPath(t)))
		expires := time.Now().Add(week).UTC().Format(time.RFC3339Nano)
		for _, tt := range []struct {
			name, request, key, body string
			status                   int
			want                     string
		}{
			{"held", "POST /charges", "key-1", `{"order_id":"o","amount":"100.00","currency":"USD","capture":"manual"}`, 200, `{"transaction_id":"txn-1","status":"authorized","expires_at":"` + expires + `"}`},
			{"automatic", "POST /charges", "key-1", `{"order_id":"o","amount":"100.00","currency":"USD","capture":"automatic"}`, 422, ""},
			{"another capture", "POST /charges", "key-2", `{"order_id":"o","amount":"100.00","currency":"USD","capture":"later"}`, 400, ""},
			{"found", "GET /charges/key-1", "", "", 200, `{"transaction_id":"txn-1","status":"authorized","expires_at":"` + expires + `"}`},
			{"too much", "POST /charges/key-1/captures", "c-1", `{"amount":"100.01","currency":"USD"}`, 402, `{"status":"declined","code":"amount_exceeds_charge","message":"the capture exceeds what is left of the charge"}`},
			{"another currency", "POST /charges/key-1/captures", "c-2", `{"amount":"1.00","currency":"EUR"}`, 402, ""},
			{"no amount", "POST /charges/key-1/captures", "c-3", `{}`, 400, ""},
			{"a part", "POST /charges/key-1/captures", "c-4", `{"amount":"60.00","currency":"USD"}`, 200, `{"transaction_id":"capture-1","status":"succeeded"}`},
			{"the same", "POST /charges/key-1/captures", "c-4", `{"amount":"60.00","currency":"USD"}`, 200, `{"transaction_id":"capture-1","status":"succeeded"}`},
			{"another amount", "POST /charges/key-1/captures", "c-4", `{"amount":"60.01","currency":"USD"}`, 422, `{"code":"idempotency_key_reused","message":"the gateway key was used for a capture of another charge or amount; take a new key"}`},
			{"a second one", "POST /charges/key-1/captures", "c-5", `{"amount":"40.00","currency":"USD"}`, 402, `{"status":"declined","code":"already_succeeded","message":"the charge has succeeded, and can be neither captured nor voided any more"}`},
			{"a void", "POST /charges/key-1/voids", "v-1", `{}`, 402, `{"status":"declined","code":"already_succeeded","message":"the charge has succeeded, and can be neither captured nor voided any more"}`},
			{"found captured", "GET /charges/key-1", "", "", 200, `{"transaction_id":"txn-1","status":"succeeded","captured":"60.00"}`},
			{"the charge again", "POST /charges", "key-1", `{"order_id":"o","amount":"100.00","currency":"USD","capture":"manual"}`, 200, `{"transaction_id":"txn-1","status":"authorized","expires_at":"` + expires + `"}`},
			{"the capture", "GET /charges/key-1/captures/c-4", "", "", 200, `{"transaction_id":"capture-1","status":"succeeded"}`},
			{"the declined one", "GET /charges/key-1/captures/c-5", "", "", 200, `{"status":"declined","code":"already_succeeded"}`},
			{"no capture", "GET /charges/key-1/captures/c-9", "", "", 404, `{"code":"not_found","message":"no capture of this charge has this key"}`},
			{"of no charge", "POST /charges/key-9/captures", "c-6", `{"amount":"1.00","currency":"USD"}`, 404, `{"code":"not_found","message":"no charge has this key"}`},
			{"another hold", "POST /charges", "key-3", `{"order_id":"o","amount":"9.00","currency":"USD","capture":"manual"}`, 200, ""},
			{"voided", "POST /charges/key-3/voids", "v-3", `{}`, 200, `{"status":"voided"}`},
			{"voided again", "POST /charges/key-3/voids", "v-4", `{}`, 200, `{"status":"voided"}`},
			{"the void", "GET /charges/key-3/voids/v-4", "", "", 200, `{"status":"voided"}`},
			{"captured", "POST /charges/key-3/captures", "c-7", `{"amount":"1.00","currency":"USD"}`, 402, `{"status":"declined","code":"already_voided","message":"the charge was voided, and cannot be captured any more"}`},
			{"found voided", "GET /charges/key-3", "", "", 200, `{"status":"voided"}`},
		} {
			method, path, _ := strings.Cut(tt.request, " ")
			status, body, mark := serveOne(t, server, method, path, tt.key, tt.body)
			require.Equal(t, tt.status, status, "%s: %s", tt.name, body)
			if tt.want != "" {
				require.JSONEq(t, tt.want, body, tt.name)
			}
			if tt.key == "" {
				tt.key = path[strings.LastIndex(path, "/")+1:]
			}
			require.Equal(t, tt.key, mark, tt.name)
		}
	})
}

func TestOpen_RefusesADamagedHold(t *testing.T) {
	t.Parallel()
	charged := func(rest string) string {
		return `{"key":"key-1","order_id":"o","amount":"9.00","currency":"USD","at":"2026-03-01T00:00:00Z","capture":"manual",` + rest + "}\n"
	}
	line := func(rest string) string {
		return `{"key":"c-1","order_id":"o","amount":"5.00","currency":"USD","at":"2026-03-01T00:00:00Z","charge_key":"key-1",` + rest + "}\n"
	}
	const since, until = `,"pending_since":"2026-03-01T00:00:00Z"`, `,"expires_at":"2999-01-01T00:00:00Z"`
	held := charged(`"status":"authorized","transaction_id":"txn-1"` + until)
	voided := charged(`"status":"voided","void_key":"v","transaction_id":"txn-1"` + until + since)
	captured := line(`"operation":"capture","status":"succeeded","transaction_id":"capture-1"`)
	for name, tt := range map[string]struct{ lines, want string }{
		"held for ever":           {charged(`"status":"authorized","transaction_id":"txn-1"`), "must have expires_at"},
		"held for some time":      {charged(`"status":"authorized","transaction_id":"txn-1","expires_at":"soon"`), "expires_at must be a time"},
		"without a transaction":   {charged(`"status":"authorized"` + until), "transaction_id must be txn-"},
		"another capture":         {strings.Replace(held, "manual", "later", 1), "capture must be automatic or manual"},
		"another operation":       {held + line(`"operation":"increment","status":"pending"`), "status must be"},
		"an operation of nothing": {held + strings.Replace(captured, `"charge_key":"key-1",`, "", 1), "must not be empty"},
		"an authorized capture":   {held + line(`"operation":"capture","status":"authorized","transaction_id":"capture-1"`+until), "status must be"},
		"captured after a void":   {held + voided + captured, "captures money that is not held"},
		"captured twice":          {held + captured + strings.NewReplacer("c-1", "c-2", "capture-1", "capture-2").Replace(captured), "captures money that is not held"},
		"of no charge":            {captured, "no line before has"},
		"captured too much":       {held + strings.Replace(captured, "5.00", "9.01", 1), "captures money that is not held"},
		"voided after a capture":  {held + captured + voided, "ends a hold that is not there"},
		"voided twice":            {held + voided + voided, "ends a hold that is not there"},
		"another transaction":     {held + strings.Replace(voided, "txn-1", "txn-2", 1), "ends a hold that is not there"},
		"without a void":          {held + strings.Replace(voided, `"void_key":"v",`, "", 1), "must not be empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ledgerPath(t)
			require.NoError(t, os.WriteFile(path, []byte(tt.lines), 0o600))
			_, err := sandbox.Open(path)
			require.ErrorContains(t, err, tt.want)
		})
	}
	for _, lines := range []string{held + captured, held + voided, held + strings.Replace(voided, `"void_key":"v"`, `"code":"authorization_expired"`, 1)} {
		path := ledgerPath(t)
		require.NoError(t, os.WriteFile(path, []byte(lines), 0o600))
		open(t, path)
	}
}

func TestOpen_RefusesAHoldWithoutTime(t *testing.T) {
	t.Parallel()
	_, err := sandbox.Open(ledgerPath(t), sandbox.WithHoldFor(0))
	require.ErrorContains(t, err, "must be above zero")
}

// serveOne serves one request, and returns the answer with its mark.
func serveOne(t *testing.T, h http.Handler, method, path, key, body string) (status int, answer, mark string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	require.NoError(t, err)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Code, w.Body.String(), w.Header().Get("Idempotency-Key")
}
