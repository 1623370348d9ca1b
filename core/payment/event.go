package payment

import "time"

// EventKind names something that happened to a payment and that neither the payment
// nor its attempts tell.
type EventKind string

const (
	// EventRefused: a request asked for another amount or currency.
	EventRefused EventKind = "refused"
	// EventTakenOver: a claim that had expired was taken over.
	EventTakenOver EventKind = "taken_over"
	// EventScheduled: handed to the queue: accepted for later, a backoff that a stop
	// cut short, or a later retry.
	EventScheduled EventKind = "scheduled"
	// EventQuarantined: too many workers fell silent over the payment.
	EventQuarantined EventKind = "set_aside"
	// EventReconciled: the gateway was asked, and its answer settled the payment.
	EventReconciled EventKind = "reconciled"
	// EventResolved: a person settled the payment.
	EventResolved EventKind = "resolved"
	// EventImported: a person brought the charge from the gateway's books, after a restore.
	EventImported EventKind = "imported"
	// EventEvidence: the gateway's approval was found although the payment stood otherwise, and
	// the payment has succeeded with it.
	EventEvidence EventKind = "evidence"
	// EventDouble: the gateway has a second charge for the order. The payment is unchanged.
	EventDouble EventKind = "double_charge"
	// EventKeyClosed: nothing sent under the gateway key can take money any more.
	EventKeyClosed EventKind = "key_closed"
	// EventUnsendable: the gateway key is not closed and may not be sent again; it is looked up.
	EventUnsendable EventKind = "key_unsendable"
	// EventArchived: the events and attempts before this one are kept elsewhere.
	EventArchived EventKind = "archived"
)

// MaxRefusals bounds the stored events of a payment that refusals alone can fill: a
// caller that repeats a wrong amount cannot fill the database.
const MaxRefusals = 100

// Event is a line of a payment's stored history.
type Event struct {
	Number  int // counts the payment's events from 1
	Kind    EventKind
	At      time.Time
	Replica string
	Fence   int64
	Detail  string
}
