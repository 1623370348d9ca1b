package payment

import (
	"strings"
	"time"
)

// Class says what is known after one attempt to charge. What is worth another
// attempt follows from it.
type Class string

const (
	// ClassApproved: the money is taken.
	ClassApproved Class = "approved"
	// ClassDeclined: the gateway said no, and will say no again for this gateway key.
	ClassDeclined Class = "declined"
	// ClassRejected: the gateway found our request wrong. Asking again is no use.
	ClassRejected Class = "rejected"
	// ClassNotCharged: the request cannot have reached the charge.
	ClassNotCharged Class = "not_charged"
	// ClassUnknownAnswered: the gateway answered, but not whether it charged. The
	// attempt is over.
	ClassUnknownAnswered Class = "unknown_answered"
	// ClassUnknownUnanswered: the request may have reached the gateway, and the gateway itself
	// has not answered, or answered that it is still at work. The attempt may still charge.
	ClassUnknownUnanswered Class = "unknown_unanswered"
	// ClassPending: the gateway named the charge and has not decided it (pending, authorized).
	// Whether it takes the money is unknown, and that the charge exists is known.
	ClassPending Class = "pending"
	// ClassKeyReused: the gateway says that the key was used with other parameters. Whether
	// that charge took the money is unknown, and a repeat gets the same answer.
	ClassKeyReused Class = "key_reused"
)

// Unknown reports whether an attempt of this class may have taken the money.
func (c Class) Unknown() bool {
	switch c {
	case ClassUnknownAnswered, ClassUnknownUnanswered, ClassPending, ClassKeyReused:
		return true
	case ClassApproved, ClassDeclined, ClassRejected, ClassNotCharged:
	}
	return false
}

// Retryable reports whether another attempt with the same gateway key may have another
// result. It is safe after an unknown class only if the gateway honours the key.
func (c Class) Retryable() bool {
	return c == ClassNotCharged || c == ClassUnknownAnswered || c == ClassUnknownUnanswered
}

// GatewayKey is the idempotency key that the gateway gets: the same for every
// attempt, restart and replica, until the gateway declines.
type GatewayKey string

// Charge is what a gateway is asked to do.
type Charge struct {
	Key     GatewayKey
	OrderID OrderID
	Money   Money
}

// Bounds on a gateway's words. A message or a code is made to fit; a transaction id that
// does not fit, or is not printable ASCII, makes an answer that cannot be read.
const (
	MaxMessageBytes       = 500
	MaxTransactionIDBytes = 255
	MaxCodeBytes          = 64
)

// Result is how one attempt ended. Not knowing is a result as well; an attempt has
// no other error.
type Result struct {
	Class         Class
	TransactionID string // the gateway's; with ClassApproved
	Code          string // the gateway's reason, such as "card_declined"; with ClassDeclined
	Message       string // what happened, in words for an operator
	// RetryAfter is the gateway's wish for the next attempt; zero when it has none.
	RetryAfter time.Duration
	// Answered reports that the gateway itself answered: the answer carried its mark. It is
	// about the gateway's health, where Class is about the money, and is not stored.
	Answered bool
}

// Finding says what a gateway knows of a gateway key.
type LookupResult string

const (
	// FoundApproved: the money was taken with this key.
	FoundApproved LookupResult = "approved"
	// FoundDeclined: a charge with this key was declined.
	FoundDeclined LookupResult = "declined"
	// FoundProcessing: an attempt with this key is running.
	FoundProcessing LookupResult = "processing"
	// FoundPending: a charge has this key, and is not decided (pending, authorized).
	FoundPending LookupResult = "pending"
	// FoundVoided: a charge had this key, and is cancelled or voided: it can take no money.
	FoundVoided LookupResult = "voided"
	// FoundNothing: the gateway itself said, in its protocol's words, that no charge has this
	// key. A request that is still on its way may arrive later.
	FoundNothing LookupResult = "nothing"
	// FoundNoAnswer: the gateway itself did not answer, or its answer could not be read.
	FoundNoAnswer LookupResult = "no_answer"
)

// Lookup is the gateway's answer to what became of a gateway key.
type Lookup struct {
	Result        LookupResult
	TransactionID string // with FoundApproved
	Code          string // with FoundDeclined
	Message       string
}

// Readable returns the result as it can be kept: an approval without a usable transaction
// id is an answer that cannot be read, and what became of the charge is unknown.
func (r Result) Sanitized() Result {
	if r.Class == ClassApproved && !usable(r.TransactionID) {
		return Result{
			Class:   ClassUnknownAnswered,
			Message: "the gateway approved without a usable transaction id",
		}
	}
	return r
}

// Readable is to a lookup what it is to a [Result].
func (l Lookup) Sanitized() Lookup {
	if l.Result == FoundApproved && !usable(l.TransactionID) {
		return Lookup{
			Result:  FoundNoAnswer,
			Message: "a charge was found without a usable transaction id",
		}
	}
	return l
}

func usable(transactionID string) bool {
	if transactionID == "" || len(transactionID) > MaxTransactionIDBytes {
		return false
	}
	for i := range len(transactionID) {
		if transactionID[i] < ' ' || transactionID[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(transactionID) == transactionID
}

// clipCode makes a code fit to be stored: printable ASCII without spaces.
func clipCode(s string) string {
	code := []byte(s[:min(len(s), MaxCodeBytes)])
	for i, b := range code {
		if b <= ' ' || b > '~' {
			code[i] = '_'
		}
	}
	return string(code)
}
