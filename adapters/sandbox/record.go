package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"paymentd/core/payment"
)

// The states of a charge or another operation in the gateway protocol.
const (
	statusSucceeded  = "succeeded"
	statusAuthorized = "authorized" // of a charge
	statusDeclined   = "declined"
	statusProcessing = "processing"
	statusPending    = "pending"
	statusVoided     = "voided"   // of a charge
	statusReturned   = "returned" // of a refund
)

// Codes of the gateway protocol.
const (
	codeNotFound  = "not_found"
	codeKeyReused = "idempotency_key_reused"
)

// prefixes precede the number of a transaction. A void has no transaction.
var prefixes = map[payment.Kind]string{
	payment.KindCharge: "txn-", payment.KindCapture: "capture-", payment.KindRefund: "refund-",
}

// record is a line of the ledger: the state of the charge, or another operation, with a gateway key. What was
// pending has a second line with its decision, a charge whose hold was voided or has expired one more, and so has a
// refund whose money came back. A capture that succeeded decides its charge, which has no line of its own for that;
// and a charge that was voided decides the void whose key it has. A key that was forgotten and used again has several
// charges.
type record struct {
	Key           string `json:"key"`
	ChargeKey     string `json:"charge_key,omitempty"` // the key of the operation's charge
	Operation     string `json:"operation,omitempty"`  // capture or void; a refund has a charge_key only
	RefundID      string `json:"refund_id,omitempty"`  // the service's id of a refund, if the request has named it
	OrderID       string `json:"order_id"`
	Amount        string `json:"amount"` // in units, with all the currency's decimals
	Currency      string `json:"currency"`
	PaymentMethod string `json:"payment_method,omitempty"`
	Capture       string `json:"capture,omitempty"` // manual, of a charge that holds the money
	Status        string `json:"status"`
	TransactionID string `json:"transaction_id,omitempty"` // with succeeded, authorized and returned
	ExpiresAt     string `json:"expires_at,omitempty"`     // of a hold, RFC 3339
	Code          string `json:"code,omitempty"`           // with declined, and of a hold that has expired
	At            string `json:"at"`                       // RFC 3339; the key's age counts from the first line
	PendingSince  string `json:"pending_since,omitempty"`  // at of the first line, in a later one
	VoidKey       string `json:"void_key,omitempty"`       // the void's own key, with voided, unless the hold has expired
}

// entry is a record in memory.
type entry struct {
	charge      payment.Charge
	status      string // statusProcessing is none
	transaction int64  // if succeeded, authorized or returned; zero of a void
	code        string // if declined, or if the hold has expired
	voidKey     payment.GatewayKey
	at          time.Time
	decidedAt   time.Time   // of a later line
	stored      *ledgerLine // the latest line; nil if it was read from the disk

	of         *entry    // the charge of another operation
	refunded   int64     // of a charge: what its refunds have given back or may give back, in minor units
	expires    time.Time // of a charge that has held money
	captured   int64     // of such a charge: what a capture has taken, in minor units
	endsCharge bool      // of a void: its charge was voided by it
	claims     int       // of such a charge: its captures and voids that are pending
}

func (e *entry) transactionID() string {
	return prefixes[e.charge.Operation.Kind] + strconv.FormatInt(e.transaction, 10)
}

// slot is the place of a key in the ledger. Each kind of operation has keys of its own, but the key of a void must
// not be that of a charge.
type slot struct {
	kind payment.Kind
	key  payment.GatewayKey
}

func slotOf(c payment.Charge) slot { return slot{c.Operation.Kind, c.Key} }

// line returns the entry as a line of the ledger.
func (e *entry) line() []byte {
	r := record{
		Key:           string(e.charge.Key),
		OrderID:       e.charge.OrderID.String(),
		Amount:        e.charge.Money.Decimal(),
		Currency:      e.charge.Money.Currency().Code(),
		PaymentMethod: string(e.charge.Method),
		Status:        e.status,
		Code:          e.code,
		At:            e.at.UTC().Format(time.RFC3339Nano),
		VoidKey:       string(e.voidKey),
		ChargeKey:     string(e.charge.Of.Key),
		Capture:       string(e.charge.Capture),
		RefundID:      e.charge.Operation.Name,
	}
	if kind := e.charge.Operation.Kind; kind != payment.KindRefund {
		r.Operation = string(kind)
	}
	if e.transaction != 0 {
		r.TransactionID = e.transactionID()
	}
	if !e.expires.IsZero() {
		r.ExpiresAt = e.expires.UTC().Format(time.RFC3339Nano)
	}
	if !e.decidedAt.IsZero() {
		r.At, r.PendingSince = e.decidedAt.UTC().Format(time.RFC3339Nano), r.At
	}
	line, _ := json.Marshal(r) //nolint:errchkjson // strings always encode
	return append(line, '\n')
}

// recordBegin is the beginning of every line: the first member of record.
const recordBegin = `{"key":"`

// minTornFile is how many bytes of a first line identify the file as a ledger.
const minTornFile = len(`{"k`)

// isRecord reports whether the text is an object with the members of every record.
func isRecord(text []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return false
	}
	for _, name := range []string{"key", "order_id", "status"} {
		if _, has := members[name]; !has {
			return false
		}
	}
	return true
}

// isTorn reports whether a crash during the write of a line can have left this text: a part of a
// record, followed by zeros that the disk has in place of the missing data.
func isTorn(text []byte) bool {
	part := bytes.TrimRight(text, "\x00")
	n := min(len(part), len(recordBegin))
	return string(part[:n]) == recordBegin[:n] && !json.Valid(part)
}

// parseLine reads a line of the ledger.
func parseLine(line []byte) (*entry, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("it is not a JSON object of the ledger: %w", err)
	}
	charge, err := parseCharge(r.Key, r.OrderID, r.Amount, r.Currency)
	if err != nil {
		return nil, err
	}
	if r.PaymentMethod != "" {
		if charge.Method, err = payment.ParsePaymentMethod(r.PaymentMethod); err != nil {
			return nil, err
		}
	}
	if charge.Capture, err = payment.ParseCaptureMode(r.Capture); err != nil {
		return nil, err
	}
	if r.ChargeKey != "" || r.Operation != "" {
		if err := checkKey(r.ChargeKey); err != nil {
			return nil, err
		}
		charge.Operation.Kind = payment.Kind(cmp.Or(r.Operation, string(payment.KindRefund)))
		charge.Operation.Name = r.RefundID
		charge.Of.Key = payment.GatewayKey(r.ChargeKey)
	}
	e := &entry{charge: charge, status: r.Status, at: parseTime(r.At), voidKey: payment.GatewayKey(r.VoidKey)}
	if r.PendingSince != "" {
		e.at, e.decidedAt = parseTime(r.PendingSince), e.at
	}
	if err := e.parseStatus(r); err != nil {
		return nil, err
	}
	return e, nil
}

// parseTime returns the time of a record, or the present time if its age is not known.
func parseTime(s string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Now()
	}
	return at
}

// statuses are those that an operation of each kind can have.
var statuses = map[payment.Kind][]string{
	payment.KindCharge:  {statusSucceeded, statusAuthorized, statusDeclined, statusPending, statusVoided},
	payment.KindCapture: {statusSucceeded, statusDeclined, statusPending},
	payment.KindVoid:    {statusSucceeded, statusDeclined, statusPending},
	payment.KindRefund:  {statusSucceeded, statusDeclined, statusPending, statusReturned},
}

// parseStatus adds what belongs to the status of a record.
func (e *entry) parseStatus(r record) error {
	kind := e.charge.Operation.Kind
	if !slices.Contains(statuses[kind], r.Status) {
		return errStatus
	}
	if r.ExpiresAt != "" {
		var err error
		if e.expires, err = time.Parse(time.RFC3339Nano, r.ExpiresAt); err != nil {
			return errors.New("expires_at must be a time of RFC 3339")
		}
	}
	e.code = r.Code
	switch r.Status {
	case statusVoided:
		if r.Code == payment.DeclineHoldExpired {
			return e.parseTransaction(r)
		}
		if r.TransactionID != "" {
			if err := e.parseTransaction(r); err != nil {
				return err
			}
		}
		return checkKey(r.VoidKey)
	case statusDeclined:
		if r.Code == "" {
			return errors.New("a declined charge must have a code")
		}
	case statusAuthorized:
		if e.expires.IsZero() {
			return errors.New("an authorized charge must have expires_at")
		}
		return e.parseTransaction(r)
	case statusSucceeded, statusReturned:
		if kind != payment.KindVoid {
			return e.parseTransaction(r)
		}
	}
	return nil
}

func (e *entry) parseTransaction(r record) error {
	prefix := prefixes[e.charge.Operation.Kind]
	digits, _ := strings.CutPrefix(r.TransactionID, prefix)
	if e.transaction, _ = strconv.ParseInt(digits, 10, 64); e.transactionID() != r.TransactionID {
		return fmt.Errorf("transaction_id must be %s and a number", prefix)
	}
	return nil
}

var errStatus = errors.New("status must be succeeded, declined, pending, authorized or voided (of a charge) or returned (of a refund)")

// parseCharge checks a charge from the network or from the disk.
func parseCharge(key, orderID, amount, currency string) (payment.Charge, error) {
	if err := checkKey(key); err != nil {
		return payment.Charge{}, err
	}
	id, err := payment.ParseOrderID(orderID)
	if err != nil {
		return payment.Charge{}, err
	}
	money, err := parseMoney(amount, currency)
	if err != nil {
		return payment.Charge{}, err
	}
	return payment.Charge{Key: payment.GatewayKey(key), OrderID: id, Money: money}, nil
}

func parseMoney(amount, currency string) (payment.Money, error) {
	// The currency of a charge in the ledger, or of its repetition, may have left ISO 4217 since.
	c, err := payment.ParseRecordedCurrency(currency)
	if err != nil {
		return payment.Money{}, err
	}
	money, err := payment.ParseMoney(amount, c)
	if err != nil {
		return payment.Money{}, err
	}
	if want := money.Decimal(); amount != want {
		return payment.Money{}, fmt.Errorf("amount must have all the currency's decimals: %s", want)
	}
	return money, nil
}

// maxKeyBytes is the limit of real gateways for an idempotency key.
const maxKeyBytes = 255

func checkKey(key string) error {
	if key == "" {
		return errors.New("the gateway key must not be empty: send it as the header Idempotency-Key")
	}
	if len(key) > maxKeyBytes {
		return fmt.Errorf("the gateway key must have at most %d characters", maxKeyBytes)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return errors.New("the gateway key must consist of printable ASCII characters without spaces")
		}
	}
	return nil
}
