package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paymentd/core/payment"
)

// The states of a charge or a refund in the gateway protocol.
const (
	statusSucceeded  = "succeeded"
	statusDeclined   = "declined"
	statusProcessing = "processing"
	statusPending    = "pending"
	statusVoided     = "voided"
	statusReturned   = "returned" // of a refund
)

// Codes of the gateway protocol.
const (
	codeNotFound  = "not_found"
	codeKeyReused = "idempotency_key_reused"

	// codeExceedsCharge: the refund exceeds what is left of its charge.
	codeExceedsCharge = "amount_exceeds_charge"
)

// prefixes precede the number of a transaction.
var prefixes = map[payment.Kind]string{payment.KindCharge: "txn-", payment.KindRefund: "refund-"}

// record is a line of the ledger: the state of the charge or the refund with a gateway key. A charge or refund that
// was pending has a second line with its decision, and a refund whose money came back one more. A key that was
// forgotten and used again has several charges.
type record struct {
	Key           string `json:"key"`
	ChargeKey     string `json:"charge_key,omitempty"` // of a refund: the key of its charge
	OrderID       string `json:"order_id"`
	Amount        string `json:"amount"` // in units, with all the currency's decimals
	Currency      string `json:"currency"`
	PaymentMethod string `json:"payment_method,omitempty"`
	Status        string `json:"status"`
	TransactionID string `json:"transaction_id,omitempty"` // with succeeded and returned
	Code          string `json:"code,omitempty"`           // with declined
	At            string `json:"at"`                       // RFC 3339; the key's age counts from the first line
	PendingSince  string `json:"pending_since,omitempty"`  // at of the first line, in a later one
	VoidKey       string `json:"void_key,omitempty"`       // the void's own key, with voided
}

// entry is a record in memory.
type entry struct {
	charge      payment.Charge
	status      string // statusSucceeded, statusDeclined, statusPending, statusVoided or statusReturned
	transaction int64  // if succeeded or returned
	code        string // if declined
	voidKey     payment.GatewayKey
	at          time.Time
	decidedAt   time.Time   // of a later line
	stored      *ledgerLine // the latest line; nil if it was read from the disk

	of       *entry // of a refund: its charge
	refunded int64  // of a charge: what its refunds have given back or may give back, in minor units
}

func (e *entry) transactionID() string {
	return prefixes[e.charge.Operation.Kind] + strconv.FormatInt(e.transaction, 10)
}

// slot is the place of a key in the ledger. The key of a refund is not that of a charge.
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
	}
	if e.status == statusSucceeded || e.status == statusReturned {
		r.TransactionID = e.transactionID()
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
	if r.ChargeKey != "" {
		if err := checkKey(r.ChargeKey); err != nil {
			return nil, err
		}
		charge.Operation.Kind, charge.Of.Key = payment.KindRefund, payment.GatewayKey(r.ChargeKey)
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

// parseStatus adds what belongs to the status of a record.
func (e *entry) parseStatus(r record) error {
	refund := e.charge.Operation.Kind == payment.KindRefund
	switch {
	case r.Status == statusReturned && !refund, r.Status == statusVoided && refund:
		return errStatus
	}
	switch r.Status {
	case statusPending:
		return nil
	case statusVoided:
		return checkKey(r.VoidKey)
	case statusDeclined:
		if r.Code == "" {
			return errors.New("a declined charge must have a code")
		}
		e.code = r.Code
		return nil
	case statusSucceeded, statusReturned:
		prefix := prefixes[e.charge.Operation.Kind]
		digits, _ := strings.CutPrefix(r.TransactionID, prefix)
		if e.transaction, _ = strconv.ParseInt(digits, 10, 64); e.transactionID() != r.TransactionID {
			return fmt.Errorf("transaction_id must be %s and a number", prefix)
		}
		return nil
	}
	return errStatus
}

var errStatus = errors.New("status must be succeeded, declined, pending, voided (of a charge) or returned (of a refund)")

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
