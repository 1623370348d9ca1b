package payment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ChangeVersion is the version of the payload of a [Change]. Members may be added within a version; a
// member is removed, or changes its meaning, only with a new one.
const ChangeVersion = 1

// ChangeType names the kind of an operation and the state that it has changed to, such as "payment.succeeded"
// or "refund.declined".
type ChangeType string

// chargeNoun names the charge in a [ChangeType].
const chargeNoun = "payment"

// ChangeType returns the type of a change to the payment's state.
func (p Payment) ChangeType() ChangeType { return newChangeType(p.Operation.Kind, p.State) }

func newChangeType(kind Kind, state State) ChangeType {
	return ChangeType(kind.changeNoun() + "." + string(state))
}

// changeNoun is the kind as it begins a [ChangeType].
func (k Kind) changeNoun() string {
	if k == KindCharge {
		return chargeNoun
	}
	return string(k)
}

// ChangeTypes returns every type: the states of a payment, and then those of the other operations.
func ChangeTypes() []ChangeType {
	var types []ChangeType
	for _, kind := range Kinds() {
		for _, state := range States() {
			if kind != KindCharge && (state == StateAuthorized || state == StateVoided) {
				continue // only payments can be
			}
			types = append(types, newChangeType(kind, state))
		}
	}
	return types
}

// ChangePattern matches types of changes: one type, all of a kind ("payment.*"), or all ("*").
type ChangePattern string

// ParseChangePattern checks a pattern. The error is a sentence that says what to change.
func ParseChangePattern(text string) (ChangePattern, error) {
	if slices.ContainsFunc(ChangeTypes(), ChangePattern(text).Matches) {
		return ChangePattern(text), nil
	}
	return "", fmt.Errorf("%+.40q matches no event: use a type such as payment.succeeded, all of a kind such as payment.*, or *", text)
}

// Matches reports whether the pattern matches the type.
func (m ChangePattern) Matches(t ChangeType) bool {
	switch prefix, all := strings.CutSuffix(string(m), "*"); {
	case !all:
		return string(m) == string(t)
	case prefix == "":
		return true
	default:
		return strings.HasSuffix(prefix, ".") && strings.HasPrefix(string(t), prefix)
	}
}

// Change is a change of the state of a payment or other operation, which receivers of events are notified of.
type Change struct {
	Type ChangeType
	// Was is the state before; empty if there was none.
	Was State
	// Payment is the payment or other operation after the change.
	Payment Payment
}

// Changes returns the changes of state that a decision makes: of its payment or other operation, and of the charge
// that this belongs to. before and charge are their rows as they were read; zero for a row that is new.
func (d Decision) Changes(before, charge Payment) []Change {
	if !d.Write {
		return nil
	}
	var changes []Change
	if c, changed := changeOf(before, d.Payment); changed {
		changes = append(changes, c)
	}
	if d.Charge == nil {
		return changes
	}
	if c, changed := changeOf(charge, *d.Charge); changed {
		changes = append(changes, c)
	}
	return changes
}

// changeOf returns the change between two versions of a row, and false if the state is the same.
func changeOf(before, after Payment) (Change, bool) {
	if before.State == after.State {
		return Change{}, false
	}
	return Change{Type: after.ChangeType(), Was: before.State, Payment: after}, true
}

// ChangeID identifies a change among those of all orders. It is the id of the event at each delivery.
type ChangeID string

// NewChangeID returns the id of the change with a sequence number of an order: evt_, the number in hexadecimal
// digits, and the first eight bytes of the order id's SHA-256.
func NewChangeID(order OrderID, sequence int64) ChangeID {
	hash := sha256.Sum256([]byte(order))
	return ChangeID(fmt.Sprintf("evt_%013x_%s", sequence, hex.EncodeToString(hash[:8])))
}

// Sequence returns the sequence number in the id, and false if the text is not an id.
func (id ChangeID) Sequence() (int64, bool) {
	rest, prefixed := strings.CutPrefix(string(id), "evt_")
	digits, hash, found := strings.Cut(rest, "_")
	sequence, err := strconv.ParseInt(digits, 16, 64)
	return sequence, prefixed && found && err == nil && sequence > 0 && len(hash) == hex.EncodedLen(8)
}

// Sequence returns the sequence number of the change, if last is that of the change before it in the same order:
// numbers grow within an order. It is the time of the change in microseconds since 1970 unless the clock has
// stepped back.
func (c Change) Sequence(last int64) int64 {
	return max(last+1, c.Payment.UpdatedAt.UnixMicro())
}

// Payload returns the body of the event: JSON as the schema WebhookEvent in openapi.yaml describes it. It has less
// than 4 KiB.
func (c Change) Payload(sequence int64) []byte {
	p, captured := c.Payment, ""
	if taken, held := c.Payment.CapturedHold(); held {
		captured = taken.Decimal()
	}
	body, err := json.Marshal(changePayload{
		Type: c.Type, Version: ChangeVersion, ID: NewChangeID(p.OrderID, sequence), Sequence: sequence,
		Timestamp: formatChangeTime(p.UpdatedAt),
		Data: changeData{
			Object: p.Operation.Kind.changeNoun(), OrderID: p.OrderID, OperationID: p.Operation.Name,
			State: p.State, PreviousState: c.Was, Amount: p.Money.Decimal(), Currency: p.Money.Currency().Code(),
			TransactionID: p.TransactionID, Code: p.Code, Gateway: p.Gateway, CreatedAt: formatChangeTime(p.CreatedAt),
			Captured: captured,
		},
	})
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	return body
}

func formatChangeTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// changePayload is the JSON of an event.
type changePayload struct {
	Type      ChangeType `json:"type"`
	Version   int        `json:"version"`
	ID        ChangeID   `json:"id"`
	Sequence  int64      `json:"sequence"`
	Timestamp string     `json:"timestamp"`
	Data      changeData `json:"data"`
}

type changeData struct {
	Object        string    `json:"object"`
	OrderID       OrderID   `json:"order_id"`
	OperationID   string    `json:"operation_id,omitempty"`
	State         State     `json:"state"`
	PreviousState State     `json:"previous_state,omitempty"`
	Amount        string    `json:"amount"`
	Currency      string    `json:"currency"`
	TransactionID string    `json:"transaction_id,omitempty"`
	Code          string    `json:"code,omitempty"`
	Gateway       GatewayID `json:"gateway,omitempty"`
	CreatedAt     string    `json:"created_at"`
	Captured      string    `json:"captured,omitempty"`
}
