package payment

import "time"

// EventKind names something that happened to a payment and that neither the payment nor its attempts
// record.
type EventKind string

const (
	// EventRefused: a request had another amount, currency or capture.
	EventRefused EventKind = "refused"
	// EventTakenOver: an expired claim was taken over.
	EventTakenOver EventKind = "taken_over"
	// EventScheduled: the queue charges the payment later: it was accepted for later, a stop cut a
	// backoff short, or a retry is deferred.
	EventScheduled EventKind = "scheduled"
	// EventQuarantined: too many workers in a row were lost over the payment.
	EventQuarantined EventKind = "set_aside"
	// EventReconciled: a lookup settled the payment.
	EventReconciled EventKind = "reconciled"
	// EventResolved: an operator settled the payment.
	EventResolved EventKind = "resolved"
	// EventImported: an operator imported the charge from the gateway's records, after a restore.
	EventImported EventKind = "imported"
	// EventEvidence: an approval of the gateway was found although the payment had not succeeded, and
	// the payment has succeeded with it.
	EventEvidence EventKind = "evidence"
	// EventDouble: the gateway has a second charge for the order, or a second capture. The payment is unchanged.
	EventDouble EventKind = "double_charge"
	// EventDoubleRefund: the gateway has a second refund for the same refund id, or a second void. The operation is
	// unchanged.
	EventDoubleRefund EventKind = "double_refund"
	// EventKeyClosed: no attempt that was sent with the gateway key can take money any more.
	EventKeyClosed EventKind = "key_closed"
	// EventUnsendable: the gateway key is not closed and may not be sent again; it is only looked up.
	EventUnsendable EventKind = "key_unsendable"
	// EventFailedOver: the gateway provably did not charge, and the payment went to another one.
	EventFailedOver EventKind = "failed_over"
	// EventHoldEnded: a lookup found that the hold of an authorized payment has ended, or was captured outside the
	// service.
	EventHoldEnded EventKind = "hold_ended"
	// EventReturned: the money of a refund came back after the refund had succeeded.
	EventReturned EventKind = "refund_returned"
	// EventExpedited: an operator had the service continue before the payment was due, or a void of the pending payment
	// was requested.
	EventExpedited EventKind = "expedited"
	// EventArchived: the earlier events and attempts are in an archive.
	EventArchived EventKind = "archived"
)

// MaxRefusals bounds the stored events of a payment to which refusals may add, so that a caller that
// repeats a wrong amount cannot fill the database.
const MaxRefusals = 100

// Event is an entry of a payment's stored history.
type Event struct {
	Number  int // counts the payment's events from 1
	Kind    EventKind
	At      time.Time
	Replica string // the replica or the operator that caused it
	Fence   int64
	Detail  string
}

func (k EventKind) valid() bool {
	switch k {
	case EventRefused, EventTakenOver, EventScheduled, EventQuarantined, EventReconciled,
		EventResolved, EventImported, EventExpedited, EventArchived,
		EventEvidence, EventDouble, EventDoubleRefund, EventKeyClosed, EventUnsendable, EventFailedOver, EventReturned, EventHoldEnded:
		return true
	}
	return false
}
