package payment

import (
	"fmt"
	"time"
)

// StoredRowError says why a stored row is not a valid payment, attempt, event or key: the row is
// damaged, or a newer version wrote it. No caller can repair that, so it is never a [FieldError].
type StoredRowError struct {
	OrderID OrderID
	Table   string // such as "payments", "attempts", "events" or "gateway_keys"
	Column  string
	Problem string // what is wrong with the column: "has the unknown state \"lost\""
}

// Error names the order, the table and the column.
func (e *StoredRowError) Error() string {
	return fmt.Sprintf("read the row of order %+q: %s.%s %s", e.OrderID, e.Table, e.Column, e.Problem)
}

// The tables in which a payment is stored.
const (
	tablePayments   = "payments"
	tableOperations = "operations" // of the operations that are not charges
	tableAttempts   = "attempts"
	tableEvents     = "events"
	tableKeys       = "gateway_keys"
)

// NoPaymentError returns the error for an order that has stored attempts or events, and no payment.
func NoPaymentError(id OrderID) *StoredRowError {
	return &StoredRowError{id, tablePayments, "order_id", "has no row, and attempts or events of it are stored"}
}

// StoredMoney returns the amount of an order's row, whose currency may have left ISO 4217 since it was
// written. The error is a *[StoredRowError].
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

// Validate checks what is true of every stored payment. A repository calls it after each read and
// before each write, and checks nothing itself, so that neither the program nor another client of the
// database can break these rules unnoticed. It does not check Keys, whose rows are validated one by
// one. The error is a *[StoredRowError].
func (p Payment) Validate() error {
	at := row{p.OrderID, tablePayments}
	if err := p.validateOperation(&at); err != nil {
		return err
	}
	if err := p.validateHold(at); err != nil {
		return err
	}
	switch {
	case p.OrderID == "" || len(p.OrderID) > MaxOrderIDBytes:
		return at.column("order_id", "has %d bytes", len(p.OrderID))
	case p.Money.IsZero():
		return at.column("amount_minor", "is not above zero")
	case !p.State.valid():
		return at.column("state", "has the unknown state %+.20q", p.State)
	case p.State.Final() != p.DueAt.IsZero():
		return at.column("due_at", "is %s, and the payment is %s", formatTime(p.DueAt), p.State)
	case !validHeaderValue(p.GatewayKey):
		return at.column("gateway_key", "is %+.20q, which cannot be sent", p.GatewayKey)
	case !p.Method.valid():
		return at.column("payment_method", "is not printable ASCII without spaces, or too long")
	case p.Attempt.Number <= 0:
		return at.column("attempt_number", "is %d", p.Attempt.Number)
	case !p.Attempt.Class.valid():
		return at.column("attempt_class", "has the unknown class %+.40q", p.Attempt.Class)
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
		{"refund_reserved_minor", p.RefundReserved},
		{"captured_minor", p.CapturedMinor},
		{"operation_count", int64(p.Operations)},
	} {
		if c.n < 0 {
			return at.column(c.column, "is %d", c.n)
		}
	}
	return p.validateTimes(at)
}

// validateHold checks what says how a payment takes its money.
func (p Payment) validateHold(at row) error {
	switch {
	case (p.State.Approved() || p.State == StateVoided) && p.TransactionID == "":
		return at.column("transaction_id", "is empty, and the payment is %s", p.State)
	case !p.Capture.valid():
		return at.column("capture", "has the unknown mode %+.20q", p.Capture)
	case !p.HoldClaimedBy.claimsHold():
		return at.column("hold_claimed_by", "has the unknown kind %+.20q", p.HoldClaimedBy)
	}
	return nil
}

// validateOperation checks what only the row of an operation other than a charge has.
func (p Payment) validateOperation(at *row) error {
	if p.Operation.IsCharge() {
		return nil
	}
	at.table = tableOperations
	switch {
	case p.Operation.Kind == KindCharge || !p.Operation.Kind.valid():
		return at.column("operation_kind", "has the unknown kind %+.20q", p.Operation.Kind)
	case (p.Operation.Name == "") != operations[p.Operation.Kind].single || len(p.Operation.Name) > MaxOrderIDBytes:
		return at.column("operation_name", "has %d bytes", len(p.Operation.Name))
	case p.State == StateAuthorized || p.State == StateVoided:
		return at.column("state", "is %s, which only a payment can be", p.State)
	case !validHeaderValue(p.Of.Key):
		return at.column("charge_key", "is %+.20q, which cannot be sent", p.Of.Key)
	case p.Of.TransactionID == "":
		return at.column("charge_transaction_id", "is empty")
	}
	return nil
}

func (p Payment) validateTimes(at row) error {
	for _, c := range [...]struct {
		column   string
		time     time.Time
		required bool
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
		{"hold_expires_at", p.HoldExpires, false},
	} {
		if !validTime(c.time) && (c.required || !c.time.IsZero()) {
			return at.column(c.column, "is %s", formatTime(c.time))
		}
	}
	return nil
}

// Validate checks what is true of every row of an order's earlier attempts. The error is a
// *[StoredRowError].
func (a Attempt) Validate(id OrderID) error {
	at := row{id, tableAttempts}
	switch {
	case a.Number <= 0:
		return at.column("number", "is %d", a.Number)
	case !a.Class.valid():
		return at.column("class", "of attempt %d has the unknown class %+.40q", a.Number, a.Class)
	case !validTime(a.StartedAt):
		return at.column("started_at", "of attempt %d is %s", a.Number, formatTime(a.StartedAt))
	case !a.EndedAt.IsZero() && !validTime(a.EndedAt):
		return at.column("ended_at", "of attempt %d is %s", a.Number, formatTime(a.EndedAt))
	}
	return nil
}

// Validate checks what is true of every row of an order's events. The error is a *[StoredRowError].
func (e Event) Validate(id OrderID) error {
	at := row{id, tableEvents}
	switch {
	case e.Number <= 0:
		return at.column("number", "is %d", e.Number)
	case !e.Kind.valid():
		return at.column("kind", "of event %d has the unknown kind %+.40q", e.Number, e.Kind)
	case !validTime(e.At):
		return at.column("at", "of event %d is %s", e.Number, formatTime(e.At))
	}
	return nil
}

// Validate checks what is true of every row of an order's keys. The error is a *[StoredRowError].
func (k Key) Validate(id OrderID) error {
	at := row{id, tableKeys}
	switch {
	case !validHeaderValue(k.Key):
		return at.column("gateway_key", "is %+.20q, which cannot be sent", k.Key)
	case !k.Method.valid():
		return at.column("payment_method", "of key %s is not printable ASCII without spaces, or too long", k.Key)
	case !k.Closed.valid():
		return at.column("closed", "of key %s has the unknown reason %+.40q", k.Key, k.Closed)
	case !k.Refusal.Class.valid():
		return at.column("refused_class", "of key %s has the unknown class %+.40q", k.Key, k.Refusal.Class)
	case k.Attempts < 0:
		return at.column("attempts", "of key %s is %d", k.Key, k.Attempts)
	case k.Lookups < 0:
		return at.column("lookups", "of key %s is %d", k.Key, k.Lookups)
	case k.Lifetime < 0:
		return at.column("lifetime_micros", "of key %s is %d", k.Key, k.Lifetime.Microseconds())
	}
	for _, c := range [...]struct {
		column string
		time   time.Time
	}{
		{"sent_at", k.Sent.DB},
		{"sent_clock", k.Sent.Worker},
		{"look_at", k.Look.DB},
		{"look_clock", k.Look.Worker},
		{"due_at", k.DueAt},
		{"closed_at", k.ClosedAt},
		{"watch_until", k.WatchUntil},
	} {
		if !c.time.IsZero() && !validTime(c.time) {
			return at.column(c.column, "of key %s is %s", k.Key, formatTime(c.time))
		}
	}
	return nil
}

// row names a row of an order in errors.
type row struct {
	order OrderID
	table string
}

func (r row) column(name, format string, args ...any) error {
	return &StoredRowError{r.order, r.table, name, fmt.Sprintf(format, args...)}
}

// validTime reports whether RFC 3339 can represent t.
func validTime(t time.Time) bool { return !t.IsZero() && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }

func formatTime(t time.Time) string {
	if t.IsZero() {
		return "not set"
	}
	return t.UTC().Format(time.RFC3339)
}

// validHeaderValue reports whether the key can be sent as the value of an HTTP header.
func validHeaderValue(key GatewayKey) bool {
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return key != ""
}
