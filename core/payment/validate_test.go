package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// What the domain writes is valid, and the error for each kind of damage names its column.
func TestPayment_Validate(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		require.NoError(t, inState(t, state).Validate(), state)
	}
	require.NoError(t, scheduledPayment(t).Validate())
	require.NoError(t, renewed(t, claimedPayment(t), payment.ClassNotCharged, noon).Validate())
	for column, damage := range map[string]func(*payment.Payment){
		"order_id":            func(p *payment.Payment) { p.OrderID = "" },
		"amount_minor":        func(p *payment.Payment) { p.Money = payment.Money{} },
		"state":               func(p *payment.Payment) { p.State = "lost" },
		"transaction_id":      func(p *payment.Payment) { p.TransactionID = "" },
		"due_at":              func(p *payment.Payment) { p.DueAt = noon },
		"gateway_key":         func(p *payment.Payment) { p.GatewayKey = "a\nb" },
		"fence":               func(p *payment.Payment) { p.Fence = -1 },
		"attempt_number":      func(p *payment.Payment) { p.Attempt.Number = 0 },
		"attempt_class":       func(p *payment.Payment) { p.Attempt.Class = "Approved" },
		"lookups":             func(p *payment.Payment) { p.Lookups = -1 },
		"strikes":             func(p *payment.Payment) { p.LostWorkers = -1 },
		"events":              func(p *payment.Payment) { p.Events = -1 },
		"later_retries":       func(p *payment.Payment) { p.DeferredRetries = -1 },
		"created_at":          func(p *payment.Payment) { p.CreatedAt = time.Time{} },
		"updated_at":          func(p *payment.Payment) { p.UpdatedAt = noon.AddDate(9000, 0, 0) },
		"attempt_started_at":  func(p *payment.Payment) { p.Attempt.StartedAt = noon.AddDate(9000, 0, 0) },
		"attempt_ended_at":    func(p *payment.Payment) { p.Attempt.EndedAt = noon.AddDate(-9000, 0, 0) },
		"doubt_unanswered_at": func(p *payment.Payment) { p.Doubt.Unanswered.DB = noon.AddDate(9000, 0, 0) },
	} {
		p := inState(t, payment.StateSucceeded)
		damage(&p)
		requireDamaged(t, p.Validate(), "payments", column)
	}
	p := inState(t, payment.StateSucceeded)
	p.OrderID = payment.OrderID(strings.Repeat("x", payment.MaxOrderIDBytes+1))
	requireDamaged(t, p.Validate(), "payments", "order_id")
	p = claimedPayment(t)
	p.DueAt = time.Time{}
	requireDamaged(t, p.Validate(), "payments", "due_at")
	p = claimedPayment(t)
	p.DueAt = noon.AddDate(9000, 0, 0)
	requireDamaged(t, p.Validate(), "payments", "due_at")
}

func requireDamaged(t *testing.T, err error, table, column string) {
	t.Helper()
	var damaged *payment.StoredRowError
	require.ErrorAs(t, err, &damaged)
	require.Equal(t, table, damaged.Table)
	require.Equal(t, column, damaged.Column)
	require.ErrorContains(t, err, table+"."+column+" ")
	var field *payment.FieldError
	require.NotErrorAs(t, err, &field)
}

func TestHistory_Validate(t *testing.T) {
	t.Parallel()
	a := payment.Attempt{Number: 1, StartedAt: noon}
	for _, class := range []payment.Class{
		"", payment.ClassApproved, payment.ClassDeclined, payment.ClassRejected, payment.ClassNotCharged,
		payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered,
	} {
		a.Class = class
		require.NoError(t, a.Validate("order-1"))
	}
	for column, bad := range map[string]payment.Attempt{
		"number":     {StartedAt: noon},
		"class":      {Number: 1, StartedAt: noon, Class: "perhaps"},
		"started_at": {Number: 1},
		"ended_at":   {Number: 1, StartedAt: noon, EndedAt: noon.AddDate(9000, 0, 0)},
	} {
		requireDamaged(t, bad.Validate("order-1"), "attempts", column)
	}
	for _, kind := range []payment.EventKind{
		payment.EventRefused, payment.EventTakenOver, payment.EventScheduled, payment.EventQuarantined,
		payment.EventReconciled, payment.EventResolved, payment.EventImported, payment.EventArchived,
	} {
		require.NoError(t, payment.Event{Number: 1, Kind: kind, At: noon}.Validate("order-1"))
	}
	for column, bad := range map[string]payment.Event{
		"number": {Kind: payment.EventRefused, At: noon},
		"kind":   {Number: 1, Kind: "vanished", At: noon},
		"at":     {Number: 1, Kind: payment.EventRefused},
	} {
		requireDamaged(t, bad.Validate("order-1"), "events", column)
	}
}
