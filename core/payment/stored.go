package payment

import (
	"fmt"
	"time"
)

// StoredRowError says why a stored row makes no payment, attempt or event: the row was damaged, or
// written by a newer version. No caller can mend that, so it is never a [FieldError].
type StoredRowError struct {
	OrderID OrderID
	Table   string // "payments", "attempts" or "events"
	Column  string
	Problem string // what is wrong with the column: "has the unknown state \"lost\""
}

// Error names the order, the table and the column.
func (e *StoredRowError) Error() string {
	return fmt.Sprintf("read the row of order %+q: %s.%s %s", e.OrderID, e.Table, e.Column, e.Problem)
}

// The tables of the rows that a payment is stored in.
const (
	tablePayments = "payments"
	tableAttempts = "attempts"
	tableEvents   = "events"
	tableKeys     = "gateway_keys"
)

// NoPaymentError returns the error of an order of which attempts or events are stored, and no payment.
func NoPaymentError(id OrderID) *StoredRowError {
	return &StoredRowError{id, tablePayments, "order_id", "has no row, and attempts or events of it are stored"}
}

// StoredMoney returns the amount of an order's row, whose currency may have left ISO 4217 since. The
// error is a *[StoredRowError].
func StoredMoney(id OrderID, minor int64, code string) (Money, error) {
	currency, known := currencyStored(code)
	if !known {
		return Money{}, &StoredRowError{id, tablePayments, "currency", fmt.Sprintf("has the unknown code %+.20q", code)}
	}
	money, err := MoneyFromMinor(minor, currency)
	if err != nil {
		return Money{}, &StoredRowError{id, tablePayments, "amount_minor", fmt.Sprintf("is %d, which is not above zero", minor)}
	}
	return money, nil
}

// Validate holds what is true of every stored payment. A repository asks it after reading and before
// writing, so that neither the program nor the table can break it unseen. The error is a
// *[StoredRowError].
func (p Payment) Validate() error {
	wrong := row{p.OrderID, tablePayments}
	switch {
	case p.OrderID == "" || len(p.OrderID) > MaxOrderIDBytes:
		return wrong.column("order_id", "has %d bytes", len(p.OrderID))
	case p.Money.IsZero():
		return wrong.column("amount_minor", "is not above zero")
	case !p.State.exists():
		return wrong.column("state", "has the unknown state %+.20q", p.State)
	case p.State == StateSucceeded && p.TransactionID == "":
		return wrong.column("transaction_id", "is empty, and the payment is %s", p.State)
	case p.State.Final() != p.DueAt.IsZero():
		return wrong.column("due_at", "is %s, and the payment is %s", when(p.DueAt), p.State)
	case !isHeader(p.GatewayKey):
		return wrong.column("gateway_key", "is %+.20q, which cannot be sent", p.GatewayKey)
	case p.Attempt.Number <= 0:
		return wrong.column("attempt_number", "is %d", p.Attempt.Number)
	case !p.Attempt.Class.exists():
		return wrong.column("attempt_class", "has the unknown class %+.40q", p.Attempt.Class)
	}
	for _, c := range [...]struct {
		column string
		n      int64
	}{
		{"fence", p.Fence},
		{"lookups", int64(p.Lookups)},
		{"strikes", int64(p.LostWorkers)},
		{"events", int64(p.Events)},
		{"later_retries", int64(p.DeferredRetries)},
		{"retries", int64(p.Retries)},
		{"key_lifetime_micros", int64(p.KeyLifetime)},
	} {
		if c.n < 0 {
			return wrong.column(c.column, "is %d", c.n)
		}
	}
	return p.validateTimes(wrong)
}

func (p Payment) validateTimes(wrong row) error {
	for _, c := range [...]struct {
		column string
		at     time.Time
		needed bool
	}{
		{"created_at", p.CreatedAt, true},
		{"updated_at", p.UpdatedAt, true},
		{"due_at", p.DueAt, false},
		{"attempt_started_at", p.Attempt.StartedAt, false},
		{"attempt_ended_at", p.Attempt.EndedAt, false},
		{"doubt_unanswered_at", p.Doubt.Unanswered.DB, false},
		{"doubt_unanswered_clock", p.Doubt.Unanswered.Worker, false},
		{"doubt_latest_at", p.Doubt.Latest.DB, false},
		{"doubt_latest_clock", p.Doubt.Latest.Worker, false},
		{"key_sent_at", p.KeySent.DB, false},
		{"key_sent_clock", p.KeySent.Worker, false},
	} {
		if !isTime(c.at) && (c.needed || !c.at.IsZero()) {
			return wrong.column(c.column, "is %s", when(c.at))
		}
	}
	return nil
}

// Validate is to a row of the earlier attempts of an order what it is to a [Payment].
func (a Attempt) Validate(id OrderID) error {
	wrong := row{id, tableAttempts}
	switch {
	case a.Number <= 0:
		return wrong.column("number", "is %d", a.Number)
	case !a.Class.exists():
		return wrong.column("class", "of attempt %d has the unknown class %+.40q", a.Number, a.Class)
	case !isTime(a.StartedAt):
		return wrong.column("started_at", "of attempt %d is %s", a.Number, when(a.StartedAt))
	case !a.EndedAt.IsZero() && !isTime(a.EndedAt):
		return wrong.column("ended_at", "of attempt %d is %s", a.Number, when(a.EndedAt))
	}
	return nil
}

// Validate is to a row of an order's events what it is to a [Payment].
func (e Event) Validate(id OrderID) error {
	wrong := row{id, tableEvents}
	switch {
	case e.Number <= 0:
		return wrong.column("number", "is %d", e.Number)
	case !e.Kind.exists():
		return wrong.column("kind", "of event %d has the unknown kind %+.40q", e.Number, e.Kind)
	case !isTime(e.At):
		return wrong.column("at", "of event %d is %s", e.Number, when(e.At))
	}
	return nil
}

// Validate is to the record of a key what it is to a [Payment].
func (k Key) Validate(id OrderID) error {
	wrong := row{id, tableKeys}
	switch {
	case !isHeader(k.Key):
		return wrong.column("gateway_key", "is %+.20q, which cannot be sent", k.Key)
	case !k.Closed.exists():
		return wrong.column("closed", "of key %s has the unknown reason %+.40q", k.Key, k.Closed)
	case !k.Refusal.Class.exists():
		return wrong.column("refused_class", "of key %s has the unknown class %+.40q", k.Key, k.Refusal.Class)
	case k.Attempts < 0:
		return wrong.column("attempts", "of key %s is %d", k.Key, k.Attempts)
	case k.Lookups < 0:
		return wrong.column("lookups", "of key %s is %d", k.Key, k.Lookups)
	case k.Lifetime < 0:
		return wrong.column("lifetime_micros", "of key %s is %d", k.Key, k.Lifetime.Microseconds())
	}
	for column, at := range map[string]time.Time{
		"sent_at": k.Sent.DB, "sent_clock": k.Sent.Worker, "look_at": k.Look.DB, "look_clock": k.Look.Worker,
		"due_at": k.DueAt, "closed_at": k.ClosedAt, "watch_until": k.WatchUntil,
	} {
		if !at.IsZero() && !isTime(at) {
			return wrong.column(column, "of key %s is %s", k.Key, when(at))
		}
	}
	return nil
}

func (c Closure) exists() bool {
	switch c {
	case "", ClosedDeclined, ClosedVoided, ClosedAbsent, ClosedPerson, ClosedCharged:
		return true
	}
	return false
}

// row names a row of an order in errors.
type row struct {
	order OrderID
	table string
}

func (r row) column(name, format string, args ...any) error {
	return &StoredRowError{r.order, r.table, name, fmt.Sprintf(format, args...)}
}

// isTime reports whether RFC 3339 can write t.
func isTime(t time.Time) bool { return !t.IsZero() && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }

func when(t time.Time) string {
	if t.IsZero() {
		return "not set"
	}
	return t.UTC().Format(time.RFC3339)
}

// isHeader reports whether the key can be sent as a header of HTTP.
func isHeader(key GatewayKey) bool {
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return key != ""
}

// exists reports whether the attempt may have the class; none while it is under way.
func (c Class) exists() bool {
	switch c {
	case "", ClassApproved, ClassDeclined, ClassRejected, ClassNotCharged,
		ClassUnknownAnswered, ClassUnknownUnanswered, ClassPending, ClassKeyReused:
		return true
	}
	return false
}

func (s State) exists() bool {
	switch s {
	case StateProcessing, StateScheduled, StateSucceeded, StateDeclined, StateFailed, StateUnresolved:
		return true
	}
	return false
}

func (k EventKind) exists() bool {
	switch k {
	case EventRefused, EventTakenOver, EventScheduled, EventQuarantined, EventReconciled,
		EventResolved, EventImported, EventArchived,
		EventEvidence, EventDouble, EventKeyClosed, EventUnsendable:
		return true
	}
	return false
}
