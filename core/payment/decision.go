package payment

// Verdict says what a decision about a payment came to.
type Verdict string

const (
	// VerdictClaimed: the claim is ours; charge.
	VerdictClaimed Verdict = "claimed"
	// VerdictLookUp: the claim is ours, to ask the gateway and never to charge.
	VerdictLookUp Verdict = "look_up"
	// VerdictReplay: the payment has succeeded; give the first answer again.
	VerdictReplay Verdict = "replay"
	// VerdictBusy: another worker holds a live claim.
	VerdictBusy Verdict = "busy"
	// VerdictMismatch: the order has another amount or currency.
	VerdictMismatch Verdict = "mismatch"
	// VerdictAccepted: the queue will carry the payment on.
	VerdictAccepted Verdict = "accepted"
	// VerdictQuarantined: too many workers fell silent over it; left to the reconciler.
	VerdictQuarantined Verdict = "set_aside"
	// VerdictWritten: the change of a claim's holder, or of a person, was made.
	VerdictWritten Verdict = "written"
	// VerdictForeign: the payment's key is another gateway's than the configured one.
	VerdictForeign Verdict = "foreign_gateway"
	// VerdictEvidence: an approval was recorded for a payment that stood otherwise.
	VerdictEvidence Verdict = "evidence"
	// VerdictDouble: a second charge for the order was found and recorded; the payment is unchanged.
	VerdictDouble Verdict = "double"
	// VerdictNotDue: nothing is to be done yet.
	VerdictNotDue Verdict = "not_due"
)

// Decision is what a pure function of this package decided about a payment.
type Decision struct {
	Verdict Verdict
	// Payment is what to store where Write is set; otherwise the payment as it was read.
	Payment Payment
	Write   bool
	// PriorAttempt is an attempt that the payment's row gives up, to be kept apart. Nil when
	// there is none.
	PriorAttempt *Attempt
	// Event is a line for the stored history. Nil when there is none.
	Event *Event
	// Keys are records of keys to store, also if Write is not set. They are in Payment.Keys as well.
	Keys []Key
	// LookUp is the key to look up if that is not for the payment's own due time, with
	// VerdictLookUp. Its record is in Keys.
	LookUp GatewayKey
}

func unchanged(v Verdict, p Payment) Decision { return Decision{Verdict: v, Payment: p} }

// tell adds an event to the decision, by replica, at the time of the payment's update.
func (d *Decision) addEvent(kind EventKind, replica, detail string) {
	d.Payment.Events++
	d.Event = &Event{
		Number: d.Payment.Events, Kind: kind, At: d.Payment.UpdatedAt,
		Replica: clip(replica), Fence: d.Payment.Fence, Detail: clip(detail),
	}
}
