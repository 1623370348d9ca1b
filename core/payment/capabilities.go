package payment

import (
	"strings"
	"time"
)

// GatewayID identifies the gateway that a key was sent to: its name in the configuration, or the kind
// and the base URL or the account, such as "https://gateway.example/v1" or "sandbox:". Printable ASCII,
// at most [MaxGatewayIDBytes]. A key proves nothing at a gateway other than its own.
type GatewayID string

// MaxGatewayIDBytes is the longest [GatewayID].
const MaxGatewayIDBytes = 255

// Repeat is what a gateway answers to the same key again, while it remembers the key. The zero value is
// [RepeatCharges], the worst case.
type Repeat string

const (
	// RepeatCharges: the gateway does not honour keys, and a repeat is another charge.
	RepeatCharges Repeat = ""
	// RepeatFirstAnswer: the first answer, also if that was an error. A closed key cannot be used again.
	RepeatFirstAnswer Repeat = "first_answer"
	// RepeatFirstSuccess: the first success, and the first decline if the gateway saves declines
	// ([Capabilities.SavesDeclines]). After an error, a repeat is another attempt.
	RepeatFirstSuccess Repeat = "first_success"
	// RepeatLatestStatus: the present state of the charge. After an error that left no charge, a repeat
	// is another attempt.
	RepeatLatestStatus Repeat = "latest_status"
)

// Operations is a set of what a gateway does with money.
type Operations uint8

const (
	// OperationCharge takes or holds money.
	OperationCharge Operations = 1 << iota
	// OperationCapture takes money that is held.
	OperationCapture
	// OperationVoid releases money that is held.
	OperationVoid
	// OperationRefund gives money back.
	OperationRefund
)

var operationNames = []string{"charge", "capture", "void", "refund"}

// Has reports whether all operations of the other set are in the set.
func (o Operations) Has(other Operations) bool { return o&other == other }

// Names returns the names of the operations in the set.
func (o Operations) Names() []string {
	var names []string
	for i, name := range operationNames {
		if o.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names, separated by commas.
func (o Operations) String() string { return strings.Join(o.Names(), ", ") }

// Capabilities are what a gateway can prove, as its adapter declares them.
type Capabilities struct {
	// Gateway identifies the gateway. It is stored with each key.
	Gateway GatewayID
	// Repeat is what a repeat of a key gets.
	Repeat Repeat
	// KeyLifetime is how long the gateway remembers a key after its first use; zero for ever.
	// A repeat after that is a new charge.
	KeyLifetime time.Duration
	// MaxKeyBytes is the longest key that the gateway accepts; zero for no limit.
	MaxKeyBytes int
	// LooksUp: the gateway can be asked what it has done with a key.
	LooksUp bool
	// LookupLag is how long after a charge a lookup may not see it yet. Zero if a lookup sees every
	// charge that was answered before.
	LookupLag time.Duration
	// LookupForgets: a lookup finds nothing after the key's lifetime.
	LookupForgets bool
	// SavesDeclines: a repeat and a lookup of a declined key get the decline again. Otherwise, a
	// lookup that finds "declined" counts as one that found nothing.
	SavesDeclines bool
	// Cancels: a charge that is pending can be cancelled, so that it takes no money any more.
	Cancels bool
	// CancelsByKey: a charge can be cancelled by its key alone, also if it is unknown whether it exists.
	CancelsByKey bool
	// NeedsMethod: a charge needs a payment method.
	NeedsMethod bool
	// ReturnURL is where customers who had to act return to, as configured; empty for none. It is stored
	// with each key.
	ReturnURL string
	// Asynchronous are the operations whose outcome the gateway may report only later: a first answer
	// is "pending", and a lookup or an event has the outcome.
	Asynchronous Operations
	// Operations are what the gateway can do beside a charge.
	Operations Operations
}

// HonoursKeys reports whether a repeat with the same key cannot charge a second time while the key
// lives.
func (c Capabilities) HonoursKeys() bool { return c.Repeat != RepeatCharges }

// KeyUsedUp reports whether a key that is closed cannot be used again, because a repeat only gets the
// old error.
func (c Capabilities) KeyUsedUp() bool { return c.Repeat == RepeatFirstAnswer }
