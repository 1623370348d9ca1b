package payment

// Verdict is the kind of a decision about a payment.
type Verdict string

const (
	// VerdictClaimed: the caller holds the claim, to charge.
	VerdictClaimed Verdict = "claimed"
	// VerdictLookUp: the caller holds the claim, to look the key up and never to charge.
	VerdictLookUp Verdict = "look_up"
	// VerdictCancel: the caller holds the claim, to cancel the pending charge and never to charge.
	VerdictCancel Verdict = "cancel"
	// VerdictKeyOpen: the request has another payment method, and the order's key is not closed.
	VerdictKeyOpen Verdict = "key_open"
	// VerdictVoided: the money was held for the order and released; the order cannot be charged any more.
	VerdictVoided Verdict = "voided"
	// VerdictReplay: the payment has succeeded or is authorized; return the first answer again.
	VerdictReplay Verdict = "replay"
	// VerdictBusy: another worker holds a live claim.
	VerdictBusy Verdict = "busy"
	// VerdictMismatch: the order has another amount, currency or capture.
	VerdictMismatch Verdict = "mismatch"
	// VerdictAccepted: the queue charges the payment.
	VerdictAccepted Verdict = "accepted"
	// VerdictQuarantined: too many workers in a row were lost; the payment is only looked up.
	VerdictQuarantined Verdict = "set_aside"
	// VerdictWritten: the change of a claim's holder, or of an operator, was made.
	VerdictWritten Verdict = "written"
	// VerdictForeign: the payment's key belongs to a gateway other than the configured one.
	VerdictForeign Verdict = "foreign_gateway"
	// VerdictEvidence: an approval was recorded for a payment that had not succeeded.
	VerdictEvidence Verdict = "evidence"
	// VerdictDouble: a second charge for the order was found and recorded; the payment is unchanged.
	VerdictDouble Verdict = "double"
	// VerdictReturned: the money of a refund came back after it had succeeded. It is declined now.
	VerdictReturned Verdict = "returned"
	// VerdictUnknownKey: an event names a key that the order never sent to the gateway; nothing was written.
	VerdictUnknownKey Verdict = "unknown_key"
	// VerdictNotDue: nothing is due yet.
	VerdictNotDue Verdict = "not_due"
)

// Decision is the result of a pure function of this package about a payment.
type Decision struct {
	Verdict Verdict
	// Payment is what to store if Write is set, and otherwise the payment as it was read.
	Payment Payment
	Write   bool
	// Charge is the charge to store as well, if Payment is another operation of it and has changed its sums. Nil
	// otherwise.
	Charge *Payment
	// PriorAttempt is an attempt that leaves the payment's row, to be stored as a row of its own. Nil
	// if there is none.
	PriorAttempt *Attempt
	// Event is an entry for the stored history. Nil if there is none.
	Event *Event
	// Keys are records of keys to store, also if Write is not set. Payment.Keys has them as well.
	Keys []Key
	// LookUp is the key to look up, with VerdictLookUp, if the lookup is due for a key's record and
	// not for the payment. Its record is in Keys.
	LookUp GatewayKey
}

func unchanged(v Verdict, p Payment) Decision { return Decision{Verdict: v, Payment: p} }

// addEvent adds an event by the replica or operator to the decision, at the time of the payment's
// update.
func (d *Decision) addEvent(kind EventKind, by, detail string) {
	d.Payment.Events++
	d.Event = &Event{
		Number: d.Payment.Events, Kind: kind, At: d.Payment.UpdatedAt,
		Replica: sanitizeMessage(by), Fence: d.Payment.Fence, Detail: sanitizeMessage(detail),
	}
}
