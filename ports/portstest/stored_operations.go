package portstest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// operationDamages are changes to the row of a refund that is due.
var operationDamages = map[string]struct{ set, column string }{
	"an unknown currency":       {"currency = 'ZZZ'", "currency"},
	"an unknown state":          {"state = 'lost'", "state"},
	"no amount":                 {"amount_minor = 0", "amount_minor"},
	"not final, and not due":    {"due_at = NULL", "due_at"},
	"final, and still due":      {"state = 'failed'", "due_at"},
	"no gateway key":            {"gateway_key = ''", "gateway_key"},
	"no key of the charge":      {"charge_key = ''", "charge_key"},
	"no transaction":            {"charge_transaction_id = ''", "charge_transaction_id"},
	"a negative fence":          {"fence = -1", "fence"},
	"a negative count":          {"lost_workers = -1", "lost_workers"},
	"a negative count of round": {"deferred_retries = -1", "deferred_retries"},
}

// damagedOperation damages a refund that is due. Its charge, and another refund of that, stay usable.
func damagedOperation(t *testing.T, s Stored, set, column string) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.charged("order-1")
	bad := r.refundDueSince("bad", time.Hour)
	good := r.refundDueSince("good", time.Minute)
	s.Execute(t, "UPDATE operations SET "+set+" WHERE operation_name = 'bad'")

	resolved := resolution("order-1", notTaken)
	resolved.Operation = bad.Operation
	for name, call := range map[string]func() error{
		"FindOperation": func() error { _, err := r.FindOperation(t.Context(), bad.Ref()); return err },
		"History":       func() error { _, err := r.History(t.Context(), "order-1"); return err },
		"Claim":         func() error { _, _, err := r.Claim(t.Context(), r.refundRequest("order-1", "bad", "")); return err },
		"Accept":        func() error { _, _, err := r.Claim(t.Context(), r.deferredRefund("order-1", "bad", "")); return err },
		"Resolve":       func() error { return r.Resolve(t.Context(), resolved) },
	} {
		requireDamaged(t, call(), "order-1", "operations", column, name)
	}
	require.Equal(t, "2.00", r.reserved("order-1"))
	r.claim(r.claimRequest("order-1"), payment.VerdictReplay)
	damagedRefundSummary(t, s, set, column)

	backlog, err := r.Backlog(t.Context())
	require.NoError(t, err)
	unreadable := slices.ContainsFunc(backlog, func(b ports.Backlog) bool {
		return b.Kind == payment.KindRefund && b.State == ports.Unreadable && b.Payments == 1
	})
	inItself := slices.Contains([]string{"currency", "state", "amount_minor"}, column) || set == "state = 'failed'"
	require.Equal(t, inItself, unreadable, "the backlog is %v", backlog)

	due := r.pickUp(r.pickUpPolicy(payment.WorkCharges), 1)
	require.Equal(t, []payment.Ref{good.Ref()}, refs(due), "the damaged row is skipped")
	require.Empty(t, r.pickUpAll(10), "the damaged row is postponed")
}

// damagedOperationHistory damages an attempt and an event of a refund. The refund itself stays usable.
func damagedOperationHistory(t *testing.T, s Stored) {
	t.Helper()
	for i, c := range []struct{ table, column, set string }{
		{"operation_attempts", "class", "class = 'perhaps'"},
		{"operation_events", "kind", "kind = 'vanished'"},
	} {
		r := &repository{Payments: s.Payments, t: t}
		id := payment.OrderID(fmt.Sprintf("order-%d", i))
		r.charged(id)
		r.refundInState(payment.StateDeclined, id, "r-1", "25")
		r.claim(r.refundRequest(id, "r-1", "26"), payment.VerdictMismatch)
		p := r.refundInState(payment.StateSucceeded, id, "r-1", "25")
		s.Execute(t, fmt.Sprintf("UPDATE %s SET %s WHERE order_id = '%s' AND number = 1", c.table, c.set, id))
		_, err := r.History(t.Context(), id)
		requireDamaged(t, err, id, c.table, c.column, "History")
		requireSame(t, p, r.stored(p.Ref()))
		r.claim(r.refundRequest(id, "r-1", ""), payment.VerdictReplay)
		require.Equal(t, payment.StateSucceeded, r.find(id).State)
	}
}

// damagedOperationKey damages the record of a key whose second lookup is due.
func damagedOperationKey(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.charged("order-1")
	l := lookup(r.refundClaimedForLookup("order-1", "r-1", "25"), payment.FoundNothing)
	l.Rules.Late = 0
	r.record(l, payment.VerdictWritten)
	s.Execute(t, "UPDATE operation_keys SET closed = 'perhaps'")
	_, err := r.History(t.Context(), "order-1")
	requireDamaged(t, err, "order-1", "operation_keys", "closed", "History")
	_, _, err = r.RecordLookup(t.Context(), l)
	requireDamaged(t, err, "order-1", "operation_keys", "closed", "RecordLookup")
	require.Empty(t, r.pickUp(r.pickUpPolicy(payment.WorkLookups), 10))
	in, found, err := r.NextDue(t.Context(), r.pickUpPolicy(payment.WorkLookups))
	require.NoError(t, err)
	require.True(t, found)
	require.Positive(t, in, "the lookup is postponed")
	require.Equal(t, "25.00", r.reserved("order-1"))
}

// damagedCharge damages the charge of a refund that is due: what is reserved of it cannot be known.
func damagedCharge(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.charged("order-1")
	p := r.refundDueSince("r-1", time.Minute)
	s.Execute(t, "UPDATE payments SET refund_reserved_minor = -1")
	_, err := r.Find(t.Context(), "order-1")
	requireDamaged(t, err, "order-1", "payments", "refund_reserved_minor", "Find")
	_, _, err = r.Claim(t.Context(), r.refundRequest("order-1", "r-2", "1"))
	requireDamaged(t, err, "order-1", "payments", "refund_reserved_minor", "Claim")
	requireDamaged(t, r.Settle(t.Context(), settlement(p, answeredUnknown, taken)),
		"order-1", "payments", "refund_reserved_minor", "Settle")
	require.Empty(t, r.pickUpAll(10))
	in, found := r.nextDue()
	require.True(t, found)
	require.Positive(t, in, "the refund is postponed")
}

func manyDamagedOperations(t *testing.T, s Stored) {
	t.Helper()
	r := &repository{Payments: s.Payments, t: t}
	r.charged("order-1")
	for i := range 12 {
		r.refundDueSince(fmt.Sprintf("r-%02d", i), time.Hour-time.Duration(i)*time.Minute)
	}
	s.Execute(t, "UPDATE operations SET currency = 'ZZZ' WHERE operation_name < 'r-10'")
	due := r.pickUp(r.pickUpPolicy(payment.WorkCharges), 2)
	require.ElementsMatch(t, []payment.Ref{refundRef("order-1", "r-10"), refundRef("order-1", "r-11")}, refs(due), "in one call")
	in, found, err := r.NextDue(t.Context(), r.pickUpPolicy(payment.WorkCharges))
	require.NoError(t, err)
	require.True(t, found)
	require.Greater(t, in, r.pickUpPolicy(payment.WorkCharges).Postponement()-time.Minute)
}

// damagedRefundSummary checks which damages of a refund's row its summary shows. The other refund is found.
func damagedRefundSummary(t *testing.T, s Stored, set, column string) {
	t.Helper()
	summaries, implements := s.Payments.(ports.Summaries)
	require.True(t, implements, "the repository implements ports.Summaries")
	page, err := summaries.FindRefunds(t.Context(), []payment.OrderID{"order-1"})
	require.NoError(t, err)
	shown := slices.Contains([]string{"currency", "amount_minor", "charge_key"}, column) || set == "state = 'lost'"
	if !shown {
		require.Len(t, page.Refunds, 2)
		return
	}
	require.Len(t, page.Refunds, 1)
	require.Equal(t, "good", page.Refunds[0].Name)
	require.Len(t, page.Unreadable, 1)
	requireDamaged(t, page.Unreadable[0], "order-1", "operations", column, "FindRefunds")
}
