//go:build upgrade

package chaos_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// largeAmount is what refunds and captures of the sandbox's magic amounts are made of.
const largeAmount = "20000.00"

// TestUpgrade_OperationsInFlight_AreContinued stops this version while refunds, captures and voids are in flight: once
// it is killed while both versions serve, and once it is stopped before a rollback. The previous version then runs alone,
// under load, and with requests for these very orders. It changes nothing of the operations and of what they have
// reserved. When this version is back, it continues each of them, and none moves money twice.
//
//	make test/upgrade
func TestUpgrade_OperationsInFlight_AreContinued(t *testing.T) {
	t.Parallel()
	previous := os.Getenv(previousVariable)
	require.FileExists(t, previous, "%s is not the path of a binary: run `make test/upgrade`, which builds one", previousVariable)
	u := newUpgrade(t, previous)
	db := openDatabase(t, u.variables["PAYMENTD_DATABASE"])
	u.start(t, next)
	var all []inFlight

	f := u.beginOperations(t, db, 1, []string{
		"capture/pending", "capture/processing", "refund/pending", "refund/processing", "refund/unresolved",
		"void/pending", "void/processing",
	})
	all = append(all, f)
	u.replicas[next].Kill() // both versions serve
	u.loseAnswers(t, false)
	u.requestByCommand(t, f)
	u.aloneOnTheNewSchema(t, db, f, 8*time.Second) // the leases of this version expire meanwhile

	u.start(t, next)
	f = u.beginOperations(t, db, 2, nil)
	all = append(all, f)
	require.Zero(t, u.replicas[next].Stop(t)) // before the rollback
	u.loseAnswers(t, false)
	u.requestByCommand(t, f)
	require.Zero(t, u.replicas[old].Stop(t))
	u.start(t, old) // on the schema of this version
	u.aloneOnTheNewSchema(t, db, f, 3*time.Second)

	require.Zero(t, u.replicas[old].Stop(t))
	u.start(t, next)
	slices.Reverse(u.replicas) // the audit reads from the first
	for _, f := range all {
		u.requireContinued(t, f)
	}
}

// inFlight are the orders of one round.
type inFlight struct {
	refunded, large, capturedLate, voidedLate string // whose operations are in flight
	captured, voided                          string // whose operations lose their answers
	byCommand                                 [2]string
	pending                                   string
}

func ordersInFlight(round int) inFlight {
	name := func(what string) string { return fmt.Sprintf("%s-%d", what, round) }
	return inFlight{
		refunded: name("refunded"), large: name("large"), capturedLate: name("captured-late"), voidedLate: name("voided-late"),
		captured: name("captured"), voided: name("voided"),
		byCommand: [2]string{name("captured-by-command"), name("voided-by-command")}, pending: name("pending"),
	}
}

// amounts returns the amount of each order, and whether it is only held.
func (f inFlight) amounts() map[string]struct {
	amount string
	held   bool
} {
	type charge = struct {
		amount string
		held   bool
	}
	return map[string]charge{
		f.refunded: {plainAmount, false}, f.large: {largeAmount, false},
		f.captured: {plainAmount, true}, f.voided: {plainAmount, true},
		f.capturedLate: {largeAmount, true}, f.voidedLate: {"9314.00", true}, // its void is pending for 5 s
		f.byCommand[0]: {plainAmount, true}, f.byCommand[1]: {plainAmount, true},
		f.pending: {"9201.00", false}, // until it is voided
	}
}

// beginOperations requests operations that are open when it returns, of the kinds and in the states, if any are given.
func (u *upgrade) beginOperations(t *testing.T, db *sql.DB, round int, states []string) inFlight {
	t.Helper()
	f := ordersInFlight(round)
	for order, charge := range f.amounts() {
		body := fmt.Sprintf(`{"order_id":%q,"amount":%s}`, order, charge.amount)
		url := u.replicas[old].URL
		if charge.held {
			body = strings.Replace(body, "}", `,"capture":"manual"}`, 1)
		}
		want := http.StatusOK
		if order == f.pending {
			want = http.StatusAccepted
		}
		if charge.held || order == f.pending {
			url = u.replicas[next].URL // the previous version knows neither
		}
		a := apptest.Post(t.Context(), url, body)
		require.Equal(t, want, a.Code, a)
	}
	request := func(order, path, body string) {
		go apptest.Ask(t.Context(), http.MethodPost, u.replicas[next].URL+"/payments/"+order+path, body) // killed before it responds
	}
	request(f.large, "/refunds", `{"refund_id":"r-2","amount":9506.00}`) // is made 10 s late
	waitOperations(t, db, round, []string{"refund/unresolved"})
	request(f.large, "/refunds", `{"refund_id":"r-1","amount":9202.00}`) // is pending for 5 s
	request(f.capturedLate, "/capture", `{"amount":9202.00}`)
	request(f.voidedLate, "/void", `{}`)
	waitOperations(t, db, round, []string{"capture/pending", "refund/pending", "void/pending"})
	u.loseAnswers(t, true)
	request(f.refunded, "/refunds", `{"refund_id":"r-1","amount":4.00}`)
	request(f.captured, "/capture", `{"amount":6.00}`)
	request(f.voided, "/void", `{}`)
	apptest.Eventually(t, finalLimit, func() error {
		made := ledgerOfOperations(t, u.world)
		if made[f.refunded].refunded == 0 || made[f.captured].captures == 0 || made[f.voided].voids == 0 {
			return fmt.Errorf("the gateway has not made the operations yet: %+v", made)
		}
		return nil
	})
	waitOperations(t, db, round, states)
	return f
}

// loseAnswers has all answers of the gateway lost, or delivers them again.
func (u *upgrade) loseAnswers(t *testing.T, lose bool) {
	t.Helper()
	if !lose {
		u.toGateway.Toxics.ResetToxics(t.Context())
		return
	}
	_, err := u.toGateway.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(toxics["black hole"], "downstream")))
	require.NoError(t, err)
}

// waitOperations waits until there are open operations of the round, of each kind and state.
func waitOperations(t *testing.T, db *sql.DB, round int, want []string) {
	t.Helper()
	apptest.Eventually(t, finalLimit, func() error {
		is := rows(t, db, fmt.Sprintf("SELECT DISTINCT operation_kind, state FROM operations WHERE order_id LIKE '%%-%d'", round))
		for _, w := range want {
			if !slices.Contains(is, strings.Replace(w, "/", "|", 1)) {
				return fmt.Errorf("no operation is %s: %v", w, is)
			}
		}
		return nil
	})
}

// requestByCommand stores further operations while this version does not run.
func (u *upgrade) requestByCommand(t *testing.T, f inFlight) {
	t.Helper()
	for _, command := range [][]string{
		{"refund", f.refunded, "--refund-id", "r-2", "--amount", "2.50"},
		{"capture", f.byCommand[0], "--amount", "6.00"},
		{"void", f.byCommand[1]},
		{"void", f.pending},
	} {
		out := apptest.Run(t, u.binaries[next], u.variables, append(command, "--reason", "test", "--by", "ada")...)
		require.Zero(t, out.Code, out.Stderr)
	}
}

// aloneOnTheNewSchema has the previous version serve alone, and checks that it changes nothing of the operations.
func (u *upgrade) aloneOnTheNewSchema(t *testing.T, db *sql.DB, f inFlight, lasts time.Duration) {
	t.Helper()
	// Payments that wait for an operation are looked up now and then, so the queue of the previous version finds them.
	_, err := db.ExecContext(t.Context(), "UPDATE payments SET due_at = UTC_TIMESTAMP(6) WHERE state = 'authorized'")
	require.NoError(t, err)
	before := stored(t, db)
	open := rows(t, db, "SELECT operation_kind, state, COUNT(*) FROM operations WHERE due_at IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2")
	t.Logf("the previous version alone, with operations in flight: %v", open)
	began := time.Now()
	for n := 0; time.Since(began) < lasts; n++ {
		u.orders++
		fresh := apptest.Pay(t.Context(), u.replicas[old].URL, fmt.Sprintf("alone-%d", u.orders), plainAmount)
		require.Equal(t, http.StatusOK, fresh.Code, fresh)
		for order, charge := range f.amounts() {
			u.requireRefusedOrReplayed(t, order, charge.amount, charge.held || order == f.pending)
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.Equal(t, before, stored(t, db))
	written := rows(t, db, "SELECT order_id FROM payments WHERE events > 0 AND refund_reserved_minor > 0")
	require.Contains(t, written, f.refunded, "the previous version has written the row of the payment")
	postponed := rows(t, db, "SELECT order_id FROM payments WHERE state = 'pending' AND due_at > UTC_TIMESTAMP(6) + INTERVAL 50 MINUTE")
	require.Contains(t, postponed, f.pending, "the queue of the previous version has postponed it")
}

// requireRefusedOrReplayed sends requests for an order to the previous version, which replays the payment if it can read
// it, and knows no operations.
func (u *upgrade) requireRefusedOrReplayed(t *testing.T, order, amount string, unknown bool) {
	t.Helper()
	url := u.replicas[old].URL
	a, other := apptest.Pay(t.Context(), url, order, amount), apptest.Pay(t.Context(), url, order, "11.00")
	read := apptest.Get(t.Context(), url, "/payments/"+order)
	if unknown {
		for _, a := range []apptest.Answer{a, other, read} {
			require.Equal(t, http.StatusBadRequest, a.Code, a)
			require.Equal(t, unknownState, a.Body.Error)
		}
	} else {
		require.Equal(t, http.StatusOK, a.Code, a)
		require.Equal(t, "true", a.Header.Get("Idempotent-Replayed"), a)
		require.Equal(t, http.StatusUnprocessableEntity, other.Code, other)
		require.Equal(t, http.StatusOK, read.Code, read)
	}
	for _, path := range []string{"/refunds", "/capture", "/void"} {
		a := apptest.Ask(t.Context(), http.MethodPost, url+"/payments/"+order+path, `{"refund_id":"r-1","amount":1.00}`)
		require.Equal(t, http.StatusNotFound, a.Code, a)
	}
}

// requireContinued checks that every operation of a round ends, and that the gateway's ledger has it once.
func (u *upgrade) requireContinued(t *testing.T, f inFlight) {
	t.Helper()
	want := map[string]int{f.refunded: 2, f.large: 2}
	states := make(map[string]int)
	for order, charge := range f.amounts() {
		if charge.held {
			want[order] = 1
		}
		var p apptest.Payment
		var operations []operation
		apptest.Eventually(t, finalLimit, func() (err error) {
			p, operations, err = operationsOf(t, u.world, order)
			if err == nil && p.State == "pending" {
				err = fmt.Errorf("order %s is not voided", order)
			}
			return err
		})
		p.Gateway = gatewayNames[0] // a gateway alone has no name
		requireOperations(t, order, p, operations, ledgerOfOperations(t, u.world)[order])
		require.Len(t, operations, want[order], p.Raw)
		for _, o := range operations {
			require.Equal(t, "succeeded", o.State, p.Raw) // the gateway had made it, or makes it when it is asked
			states[o.Kind]++
		}
		if order == f.pending {
			require.Equal(t, "declined abandoned", p.State+" "+p.Code, p.Raw)
			require.Empty(t, ledger(t, u.world)[order])
		}
	}
	t.Logf("continued: %v", states)
}

// stored returns what the database has of the operations and of their payments, without the columns that the previous
// version writes: events if it refuses a request with another amount, and the others if it postpones a payment that it
// cannot read.
func stored(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	for _, table := range []string{"operations", "operation_attempts", "operation_events", "operation_keys", "gateway_keys"} {
		all = append(all, rows(t, db, "SELECT '"+table+"', x.* FROM "+table+" x ORDER BY 2, 3, 4, 5")...)
	}
	columns := rows(t, db, "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND "+
		"table_name = 'payments' AND column_name NOT IN ('due_at', 'events', 'reason', 'updated_at') ORDER BY ordinal_position")
	require.Contains(t, columns, "refund_reserved_minor")
	return append(all, rows(t, db, "SELECT "+strings.Join(columns, ", ")+" FROM payments WHERE order_id NOT LIKE 'alone-%' ORDER BY order_id")...)
}

// rows returns the rows of a query, with a bar between the columns.
func rows(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	result, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, result.Close()) }()
	columns, err := result.Columns()
	require.NoError(t, err)
	for result.Next() {
		values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, result.Scan(into...))
		texts := make([]string, len(columns))
		for i, v := range values {
			texts[i] = string(v)
		}
		all = append(all, strings.Join(texts, "|"))
	}
	require.NoError(t, result.Err())
	return all
}
