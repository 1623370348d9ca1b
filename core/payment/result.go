package payment

import "time"

// Class is what is known after one attempt to charge. Whether another attempt makes sense follows from
// it.
type Class string

const (
	// ClassApproved: the money is taken.
	ClassApproved Class = "approved"
	// ClassAuthorized: the gateway holds the money.
	ClassAuthorized Class = "authorized"
	// ClassDeclined: the gateway declined, and declines again for this gateway key.
	ClassDeclined Class = "declined"
	// ClassRejected: the gateway rejected our request as invalid. A repeat gets the same answer.
	ClassRejected Class = "rejected"
	// ClassNotCharged: the request provably did not lead to a charge.
	ClassNotCharged Class = "not_charged"
	// ClassUnknownAnswered: the gateway answered, but not whether it charged. The attempt is over.
	ClassUnknownAnswered Class = "unknown_answered"
	// ClassUnknownUnanswered: the request may have reached the gateway, and the gateway itself has
	// not answered, or answered that it is still processing. The attempt may still charge.
	ClassUnknownUnanswered Class = "unknown_unanswered"
	// ClassPending: the gateway reported the charge as undecided. The charge
	// exists; whether it takes the money is unknown.
	ClassPending Class = "pending"
	// ClassKeyReused: the gateway reported that the key was used with other parameters. Whether that
	// charge took the money is unknown, and a repeat gets the same answer.
	ClassKeyReused Class = "key_reused"
)

// Unknown reports whether an attempt of this class may have taken the money.
func (c Class) Unknown() bool {
	switch c {
	case ClassUnknownAnswered, ClassUnknownUnanswered, ClassPending, ClassKeyReused:
		return true
	case ClassApproved, ClassAuthorized, ClassDeclined, ClassRejected, ClassNotCharged:
	}
	return false
}

// Retryable reports whether another attempt with the same gateway key may have another result. After
// an unknown class, it is safe only if the gateway honours keys.
func (c Class) Retryable() bool {
	return c == ClassNotCharged || c == ClassUnknownAnswered || c == ClassUnknownUnanswered
}

// valid reports whether a stored attempt may have the class; it has none while it is running.
func (c Class) valid() bool {
	switch c {
	case "", ClassApproved, ClassAuthorized, ClassDeclined, ClassRejected, ClassNotCharged,
		ClassUnknownAnswered, ClassUnknownUnanswered, ClassPending, ClassKeyReused:
		return true
	}
	return false
}

// GatewayKey is the idempotency key that the gateway gets: the same for every attempt, restart and
// replica, until the gateway declines.
type GatewayKey string

// Charge is what a gateway is requested to charge, or to do with an earlier charge. Every attempt with a key has
// the same values, because gateways refuse a key that comes again with others.
type Charge struct {
	Key     GatewayKey
	OrderID OrderID
	// Operation is the zero value for a charge. Otherwise Of is the charge that the operation is about, and Note
	// why it was asked for, as text.
	Operation OperationID
	Of        ChargeID
	Note      string
	Money     Money
	// Capture is whether the charge takes the money, or only holds it.
	Capture CaptureMode
	// Method is what to charge; empty if the gateway needs none.
	Method PaymentMethod
	// ReturnURL is the page to which the gateway sends a customer who had to act; empty for none.
	ReturnURL string
}

// ChargeRef names a charge or another operation at a gateway: by the key, and by what else a gateway may need to
// find it.
type ChargeRef struct {
	Key     GatewayKey
	OrderID OrderID
	// Operation and Of are those of the [Charge].
	Operation OperationID
	Of        ChargeID
	Money     Money
	// Capture is that of the [Charge].
	Capture CaptureMode
	// Reference is the gateway's own id of the charge, from the first answer that named it; empty if
	// none has.
	Reference string
	// TransactionID is that of the approval which is recorded for the key; empty if none is. If a refund failed
	// afterwards, its money came back.
	TransactionID string
	// Sent is the earliest moment at which the key may have been sent; zero if it is not known.
	Sent time.Time
}

// Result is the result of one attempt. An unknown outcome is a result as well; an attempt has no other
// error.
type Result struct {
	Class         Class
	TransactionID string // the gateway's; with ClassApproved and ClassAuthorized
	// HoldExpires is when the gateway releases money that it holds, by its own clock; with ClassAuthorized. Zero if
	// the answer does not say it.
	HoldExpires time.Time
	// Code is the reason of a decline, with ClassDeclined. An adapter for a gateway with codes of its
	// own translates them to one of [DeclineCodes], and begins the message with the gateway's own.
	Code    string
	Message string // what happened, as text for an operator
	// Reference is the gateway's own id of the charge, if the answer names one that is not approved.
	Reference string
	// RedirectURL is where the customer must act; with ClassPending.
	RedirectURL string
	// RetryAfter is how long the gateway asks to wait before the next attempt; zero if it does not.
	RetryAfter time.Duration
	// Answered: the gateway itself answered, because the answer carried its mark. It is about the
	// gateway's health, where Class is about the money, and is not stored.
	Answered bool
}

// For returns the result as that of an operation. Only a charge can be authorized: as the answer to another
// operation, that says nothing about its outcome.
func (r Result) For(of OperationID) Result {
	if r.Class == ClassAuthorized && !of.IsCharge() {
		return Result{
			Class: ClassUnknownAnswered, Answered: r.Answered, RetryAfter: r.RetryAfter,
			Message: "the gateway answered that the " + string(of.Kind) + " is authorized, which only a charge can be",
		}
	}
	return r
}

// Unsent reports whether nothing of the request can have left: the gateway could not be reached, or a limit of
// the service did not let the attempt begin.
func (r Result) Unsent() bool { return r.Class == ClassNotCharged && !r.Answered }
