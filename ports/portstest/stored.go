package portstest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Stored is a repository whose rows a test can change with SQL.
type Stored struct {
	ports.Payments

	Keys ports.Keys
	// Execute runs a statement of SQL that every supported database accepts.
	Execute func(t testing.TB, statement string)
}

// StoredRows checks how a repository treats rows that are damaged, or that a newer version wrote: a method
// for one order reports what is wrong with the row, and one for many orders leaves the row out. open
// returns a new, empty repository.
func StoredRows(t *testing.T, open func(t testing.TB) Stored) {
	t.Helper()
	for name, d := range damages {
		t.Run("damaged/"+name, func(t *testing.T) {
			t.Parallel()
			damagedPayment(t, open(t), d.set, d.column)
		})
	}
	for name, d := range operationDamages {
		t.Run("damaged operation/"+name, func(t *testing.T) {
			t.Parallel()
			damagedOperation(t, open(t), d.set, d.column)
		})
	}
	for name, check := range map[string]func(*testing.T, Stored){
		"damaged operation/its history":              damagedOperationHistory,
		"damaged operation/its key":                  damagedOperationKey,
		"damaged operation/its charge":               damagedCharge,
		"damaged operation/many rows delay no other": manyDamagedOperations,
		"damaged/an attempt or an event":             damagedHistory,
		"damaged/attempts without a payment":         lostPayment,
		"damaged/many rows delay no other":           manyDamaged,
		"damaged/rows count towards the page":        pagesOfDamaged,
		"damaged/API keys":                           damagedKeys,
		"stored/a currency that has left ISO 4217":   historicCurrency,
		"stored/any number but zero is true":         readsAnyTrue,
		"stored/the most operations of a payment":    boundsOperations,
		"queue/a claimed row is not postponed":       postponesOnlyDueRows,
		"queue/a key due too far ahead is postponed": postponesFarFutures,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t))
		})
	}
}

// damages are changes to the row of a payment that is due.
var damages = map[string]struct{ set, column string }{
	"an unknown currency":     {"currency = 'ZZZ'", "currency"},
	"a currency of no code":   {"currency = ''", "currency"},
	"a currency in lower":     {"currency = 'usd'", "currency"},
	"an unknown state":        {"state = 'lost'", "state"},
	"no state":                {"state = ''", "state"},
	"no amount":               {"amount_minor = 0", "amount_minor"},
	"a negative amount":       {"amount_minor = -100", "amount_minor"},
	"succeeded without an id": {"state = 'succeeded', due_at = NULL", "transaction_id"},
	"final, and still due":    {"state = 'failed'", "due_at"},
	"not final, and not due":  {"due_at = NULL", "due_at"},
	"no gateway key":          {"gateway_key = ''", "gateway_key"},
	"an unknown class":        {"attempt_class = 'perhaps'", "attempt_class"},
	"no number of an attempt": {"attempt_number = 0", "attempt_number"},
	"a negative fence":        {"fence = -1", "fence"},
	"a negative count":        {"events = -1", "events"},
	"an unknown capture":      {"capture = 'perhaps'", "capture"},
	"a hold of a refund":      {"hold_claimed_by = 'refund'", "hold_claimed_by"},
	"a negative capture":      {"captured_minor = -1", "captured_minor"},
	"a negative number":       {"operation_count = -1", "operation_count"},
}

func damagedPayment(t *testing.T, s Stored, set, column string) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.dueSince("order-bad", time.Hour)
	r.dueSince("order-good", time.Minute)
	paymentWithHistory(r, payment.StateDeclined, "order-other")
	s.Execute(t, "UPDATE payments SET "+set+" WHERE order_id = 'order-bad'")

	for name, call := range map[string]func() error{
		"Find":    func() error { _, err := r.Find(t.Context(), "order-bad"); return err },
		"History": func() error { _, err := r.History(t.Context(), "order-bad"); return err },
		"Claim":   func() error { _, _, err := r.Claim(t.Context(), r.claimRequest("order-bad")); return err },
		"Accept":  func() error { _, _, err := r.Claim(t.Context(), r.deferredRequest("order-bad")); return err },
		"Resolve": func() error {
			return r.Resolve(t.Context(), payment.Resolution{OrderID: "order-bad", Outcome: notTaken, By: "ada"})
		},
		"Import": func() error {
			_, err := r.Import(t.Context(), payment.Import{
				Charge:        payment.Charge{Key: "key", OrderID: "order-bad", Money: money(t, "100", "USD")},
				TransactionID: "txn-1", By: "ada",
			})
			return err
		},
	} {
		requireDamaged(t, call(), "order-bad", "payments", column, name)
	}

	page, err := r.List(t.Context(), ports.ListQuery{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []payment.OrderID{"order-other", "order-good"}, ids(page.Payments))
	require.Len(t, page.Unreadable, 1)
	requireDamaged(t, page.Unreadable[0], "order-bad", "payments", column, "List")
	damagedSummaries(t, s, column)
	damagedOutstanding(t, s, column)

	backlog, err := r.Backlog(t.Context())
	require.NoError(t, err)
	unreadable := slices.ContainsFunc(backlog, func(b ports.Backlog) bool {
		return b.State == ports.Unreadable && b.Payments == 1 && b.Due == 1
	})
	inItself := slices.Contains([]string{"currency", "state", "amount_minor"}, column) || set == "state = 'failed'"
	require.Equal(t, inItself, unreadable, "the backlog is %v", backlog)

	due := r.pickUp(r.pickUpPolicy(payment.WorkCharges), 1)
	require.Len(t, due, 1, "the damaged row is skipped")
	require.Equal(t, payment.OrderID("order-good"), due[0].Payment.OrderID)
	require.Empty(t, r.pickUpAll(10), "the damaged row is postponed")
	archived, err := r.Archivable(t.Context(), ports.ArchiveQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, archived.Histories, 1)
}

func requireDamaged(t *testing.T, err error, id payment.OrderID, table, column, by string) {
	t.Helper()
	var damaged *payment.StoredRowError
	require.ErrorAs(t, err, &damaged, by)
	require.Equal(t, id, damaged.OrderID, by)
	require.Equal(t, table+"."+column, damaged.Table+"."+damaged.Column, by)
	require.ErrorContains(t, err, fmt.Sprintf("read the row of order %q: %s.%s ", id, table, column))
	var field *payment.FieldError
	require.NotErrorAs(t, err, &field, "the caller cannot repair it")
}

// damagedHistory damages attempts and events. The payment itself stays readable.
func damagedHistory(t *testing.T, s Stored) {
	t.Helper()
	for i, c := range []struct{ table, column, set string }{
		{"attempts", "class", "class = 'perhaps'"},
		{"events", "kind", "kind = 'vanished'"},
		{"events", "kind", "kind = ''"},
	} {
		r := &repository{Payments: s.Payments, t: t}
		id := payment.OrderID(fmt.Sprintf("order-%d", i))
		paymentWithHistory(r, payment.StateSucceeded, id)
		s.Execute(t, fmt.Sprintf("UPDATE %s SET %s WHERE order_id = '%s' AND number = 1", c.table, c.set, id))
		_, err := r.History(t.Context(), id)
		requireDamaged(t, err, id, c.table, c.column, "History")
		require.Equal(t, payment.StateSucceeded, r.find(id).State)
		r.claim(r.claimRequest(id), payment.VerdictReplay)

		page, err := r.Archivable(t.Context(), ports.ArchiveQuery{Limit: 10})
		require.NoError(t, err)
		require.Empty(t, page.Histories)
		require.Len(t, page.Unreadable, i+1)
		requireDamaged(t, page.Unreadable[i], id, c.table, c.column, "Archivable")
	}
}

func lostPayment(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	paymentWithHistory(r, payment.StateDeclined, "order-1")
	paymentWithHistory(r, payment.StateDeclined, "order-2")
	s.Execute(t, "DELETE FROM payments WHERE order_id = 'order-1'")
	page, err := r.Archivable(t.Context(), ports.ArchiveQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Histories, 1)
	require.Len(t, page.Unreadable, 1)
	requireDamaged(t, page.Unreadable[0], "order-1", "payments", "order_id", "Archivable")
}

func manyDamaged(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	for i := range 12 {
		r.dueSince(payment.OrderID(fmt.Sprintf("order-%02d", i)), time.Hour-time.Duration(i)*time.Minute)
	}
	s.Execute(t, "UPDATE payments SET currency = 'ZZZ' WHERE order_id < 'order-10'")
	due := r.pickUp(r.pickUpPolicy(payment.WorkCharges), 2)
	require.Len(t, due, 2, "in one call")
	require.Equal(t, payment.OrderID("order-10"), due[0].Payment.OrderID)
	require.Equal(t, payment.OrderID("order-11"), due[1].Payment.OrderID)
	in, found, err := r.NextDue(t.Context(), r.pickUpPolicy(payment.WorkCharges))
	require.NoError(t, err)
	require.True(t, found)
	require.Greater(t, in, r.pickUpPolicy(payment.WorkCharges).Postponement()-time.Minute)
}

func pagesOfDamaged(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	want := make(map[payment.OrderID]bool)
	for i := range 9 {
		id := payment.OrderID(fmt.Sprintf("order-%d", i))
		r.inState(payment.StateSucceeded, id)
		want[id] = i%3 == 0
	}
	s.Execute(t, "UPDATE payments SET currency = 'ZZZ' WHERE order_id IN ('order-0', 'order-3')")
	s.Execute(t, "UPDATE payments SET state = 'lost' WHERE order_id = 'order-6'")
	for size := 1; size <= 10; size++ {
		for _, states := range [][]payment.State{nil, {payment.StateSucceeded}} {
			found := make(map[payment.OrderID]bool)
			for q := (ports.ListQuery{Limit: size, States: states}); ; {
				page, err := r.List(t.Context(), q)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page.Payments)+len(page.Unreadable), size)
				for _, p := range page.Payments {
					found[p.OrderID] = false
				}
				for _, unreadable := range page.Unreadable {
					found[unreadable.OrderID] = true
				}
				if page.NextOrderID == "" {
					break
				}
				q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
			}
			require.Equal(t, want, found, "in pages of %d", size)
		}
	}
	page, err := r.List(t.Context(), ports.ListQuery{Limit: 10, States: []payment.State{payment.StateFailed}})
	require.NoError(t, err)
	require.Empty(t, page.Payments)
	require.Len(t, page.Unreadable, 1, "its state is unknown")
}

func damagedKeys(t *testing.T, s Stored) {
	t.Helper()
	create := func(name apikey.Name) apikey.Key {
		key, _ := apikey.New(name, apikey.Scopes{apikey.ScopePay})
		require.NoError(t, s.Keys.Create(t.Context(), key))
		return key
	}
	want := make(map[apikey.ID]string)
	for name, column := range map[apikey.Name]string{"other": "hash", "nameless": "name", "idle": "scopes"} {
		key := create(name)
		want[key.ID] = column
		value := "''"
		if column == "hash" {
			value = "X'" + strings.Repeat("ab", 32) + "'"
		}
		s.Execute(t, fmt.Sprintf("UPDATE api_keys SET %s = %s WHERE id = '%s'", column, value, key.ID))
	}
	good := create("good")
	active, err := s.Keys.Active(t.Context())
	require.NoError(t, err)
	require.True(t, active.Ever)
	require.Len(t, active.Keys, 1, "%v", active.Unreadable)
	require.Equal(t, good.ID, active.Keys[0].ID)
	list, err := s.Keys.List(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, list.Keys, 1)
	for _, unreadable := range [][]*apikey.StoredRowError{active.Unreadable, list.Unreadable} {
		got := make(map[apikey.ID]string)
		for _, e := range unreadable {
			got[e.ID] = e.Column
		}
		require.Equal(t, want, got)
	}
	_, err = s.Keys.Revoke(t.Context(), string(slices.Sorted(maps.Keys(want))[0]), "ada")
	var damaged *apikey.StoredRowError
	require.ErrorAs(t, err, &damaged)
}

func historicCurrency(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.inState(payment.StateSucceeded, "order-paid")
	r.dueSince("order-due", time.Minute)
	s.Execute(t, "UPDATE payments SET currency = 'HRK'")
	p := r.find("order-paid")
	require.Equal(t, "100.00 HRK", p.Money.String())
	again := r.claimRequest("order-paid")
	again.Money = p.Money
	require.Equal(t, "txn-1", r.claim(again, payment.VerdictReplay).TransactionID)
	due := r.pickUp(r.pickUpPolicy(payment.WorkCharges), 10)
	require.Len(t, due, 1)
	r.settle(due[0].Payment, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	require.Equal(t, "100.00 HRK", r.find("order-due").Money.String())
	require.Len(t, r.list(ports.ListQuery{Limit: 10}), 2)
}

// readsAnyTrue stores numbers that are true in SQL.
func readsAnyTrue(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.inState(payment.StateUnresolved, "order-1")
	s.Execute(t, "UPDATE payments SET async = 7, doubt_answered = 2")
	p := r.find("order-1")
	require.True(t, p.Async)
	require.True(t, p.Doubt.Answered)
	require.Len(t, r.list(ports.ListQuery{Limit: 1}), 1)
}

// postponesOnlyDueRows damages a row that is claimed, and so not due.
func postponesOnlyDueRows(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	p := r.claim(r.claimRequest("order-1"), payment.VerdictClaimed)
	s.Execute(t, "UPDATE payments SET currency = 'ZZZ'")
	require.Empty(t, r.pickUpAll(10))
	s.Execute(t, "UPDATE payments SET currency = 'USD'")
	requireSame(t, p, r.find("order-1"))
}
