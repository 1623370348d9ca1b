package payment

import (
	"cmp"
	"time"
)

// LookupResult is what a lookup found of a gateway key.
type LookupResult string

const (
	// FoundApproved: the money was taken with this key.
	FoundApproved LookupResult = "approved"
	// FoundDeclined: a charge with this key was declined.
	FoundDeclined LookupResult = "declined"
	// FoundProcessing: an attempt with this key is running.
	FoundProcessing LookupResult = "processing"
	// FoundAuthorized: money is held with this key, and was not captured.
	FoundAuthorized LookupResult = "authorized"
	// FoundPending: a charge has this key, and is not decided.
	FoundPending LookupResult = "pending"
	// FoundVoided: a charge had this key, and is cancelled or voided: it can take no money. Of a capture or a void, with
	// a code: the charge is in a state that neither this key nor another one changes.
	FoundVoided LookupResult = "voided"
	// FoundReturned: a refund had succeeded, and its money came back.
	FoundReturned LookupResult = "returned"
	// FoundNothing: the gateway itself answered, in the terms of its protocol, that no charge has
	// this key. A request that is still on its way may arrive later.
	FoundNothing LookupResult = "nothing"
	// FoundNoAnswer: the gateway itself did not answer, or its answer could not be read.
	FoundNoAnswer LookupResult = "no_answer"
)

// Lookup is the gateway's answer to the lookup of a gateway key.
type Lookup struct {
	Result        LookupResult
	TransactionID string // with FoundApproved and FoundAuthorized
	// Captured is how much of the money that was held the gateway has taken; with FoundApproved. Zero for all.
	Captured Money
	// HoldExpires is that of a [Result]; with FoundAuthorized.
	HoldExpires time.Time
	Code        string // with FoundDeclined, and of a capture or a void with FoundVoided: see [Result]
	Message     string
	Reference   string // the gateway's own id of the charge, if it has one that is not approved
	RedirectURL string // where the customer must act; with FoundPending
}

// For returns the answer as that to the lookup of an operation: see [Result.For].
func (l Lookup) For(of OperationID) Lookup {
	if l.Result == FoundAuthorized && !of.IsCharge() {
		return Lookup{
			Result:  FoundNoAnswer,
			Message: "the gateway answered that the " + string(of.Kind) + " is authorized, which only a charge can be",
		}
	}
	return l
}

// LookupRecord is the answer to one lookup, to be stored under the row's lock. It holds everything that
// a lookup can change: the payment's outcome, and what is proven of the key.
type LookupRecord struct {
	// ClaimRef is the claim, or the payment as it was read, before the lookup was sent. Any answer
	// but a charge counts only if the fencing token is unchanged and no attempt has begun since.
	ClaimRef

	Key     GatewayKey
	Replica string
	Rules   KeyRules
	// Sent is when the lookup was sent. Its answer counts as of then.
	Sent Instant
	// Worker is the time by the worker's clock when the answer arrived.
	Worker time.Time
	Result Lookup
	// End is the result of the current attempt, if the lookup concludes a round. Nil if it is
	// recorded already, or if the attempt never began.
	End *AttemptEnd
	// Last is the result of the last attempt of that round. A decline or a rejection becomes the
	// outcome only when the key is closed.
	Last Result
	// DeferIn is after how long an async payment that failed gets another round; zero for none.
	DeferIn time.Duration
}

// Apply returns the payment after the lookup at now, or [ErrFenced]. If it is applied a second time,
// because the answer to the first was lost, it changes nothing more.
func (r LookupRecord) Apply(p Payment, now time.Time) (Decision, error) {
	at := Instant{now, r.Worker}
	if r.Result.Result == FoundReturned && p.Operation.Kind == KindRefund {
		return r.recordReturn(p, at)
	}
	current := p.GatewayKey == r.Key
	same := p.Fence == r.Fence && p.Attempt.Number == r.Attempt
	waits := current && p.State == r.State && p.State.claimable()
	if r.Result.approves() && (!same || !waits) {
		return r.recordApproval(p, now)
	}
	if !same {
		return Decision{}, ErrFenced
	}
	if waits && p.State == StateAuthorized {
		return r.concludeHold(p, at), nil
	}
	return r.record(p, current, waits, at), nil
}

// record stores the answer to a lookup of a key that is the payment's current one or another, and for which the
// payment waits or not.
func (r LookupRecord) record(p Payment, current, waits bool, now Instant) Decision {
	if waits && p.State == StateProcessing {
		p.completeAttempt(r.ClaimRef, r.End, now)
	}
	before, _ := p.findKey(r.Key)
	if current && !p.State.Approved() { // the row of an approved payment holds no doubt
		before = p.key()
	}
	k := before
	absent := r.updateKey(&k, p.Attempt.Number, now)
	if waits {
		return r.conclude(p, k, absent, now)
	}
	return r.recordKey(p, before, k, now.DB)
}

// approves reports whether the gateway has taken the money, or holds it.
func (l Lookup) approves() bool { return l.Result == FoundApproved || l.Result == FoundAuthorized }

// recordApproval is for a charge that was found although the payment has changed since the lookup was sent, or
// did not wait for it.
func (r LookupRecord) recordApproval(p Payment, now time.Time) (Decision, error) {
	d, err := r.approval().Apply(p, now)
	if p.GatewayKey == r.Key && p.State.looksUp() && d.Verdict == VerdictEvidence {
		// Another lookup was begun meanwhile. The payment waited for this charge all the same.
		d.Verdict, d.Event.Kind = VerdictWritten, EventReconciled
	}
	return d, err
}

// recordKey stores what a lookup proved of a key that no payment waits for.
func (r LookupRecord) recordKey(p Payment, before, k Key, now time.Time) Decision {
	current := p.GatewayKey == r.Key
	d := Decision{Verdict: VerdictWritten, Payment: p}
	switch {
	case k.Closed != "" && before.Closed == "":
		if !now.Before(k.WatchUntil) {
			k.DueAt = time.Time{}
		}
		if current {
			d.Payment.Doubt = Doubt{}
		}
		d.Write = true
		d.Payment.UpdatedAt = now
		d.addEvent(EventKeyClosed, r.Replica, string(k.Key)+": "+string(k.Closed))
	case current && p.State != StateSucceeded && k.Doubt != before.Doubt:
		d.Write, d.Payment.Doubt = true, k.Doubt
	}
	if k != before {
		d.storeKey(k)
	}
	return d
}

// updateKey writes the answer into the key's record, and reports whether the lookup found nothing and
// counted.
func (r LookupRecord) updateKey(k *Key, attempts int, now Instant) (absent bool) {
	if refusal := r.Last.refusal(); refusal.Class != "" {
		k.Refusal = refusal
	}
	switch r.Result.Result {
	case FoundApproved, FoundAuthorized:
		k.close(ClosedCharged, now)
	case FoundDeclined:
		if r.Rules.SavesDeclines {
			k.Refusal = r.declined()
			k.close(ClosedDeclined, now)
			return false
		}
		absent = r.recordAbsence(k, attempts, now)
		if k.Closed != "" && k.Refusal.Class == "" {
			k.Refusal = r.declined() // the decline was no proof, but it is the reason
		}
		return absent
	case FoundVoided:
		if !r.Operation.IsCharge() && r.Result.Code != "" && k.Refusal.Class == "" {
			k.Refusal = r.declined()
		}
		k.close(ClosedVoided, now)
	case FoundProcessing:
		k.Doubt.Unanswered = k.Doubt.Unanswered.Later(r.answeredAt())
		k.resetProof()
	case FoundPending:
		k.Doubt.Named = true
		k.nameCharge(r.Result.Reference, r.Result.RedirectURL)
		k.resetProof()
	case FoundNothing:
		return r.recordAbsence(k, attempts, now)
	case FoundNoAnswer, FoundReturned:
	}
	return false
}

// declined returns the refusal with the code and the message of the lookup.
func (r LookupRecord) declined() Refusal {
	return Result{Class: ClassDeclined, Code: r.Result.Code, Message: r.Result.Message}.refusal()
}

// recordAbsence is for a lookup that found nothing, and reports whether it counts. The second that
// counts closes the key.
func (r LookupRecord) recordAbsence(k *Key, attempts int, now Instant) bool {
	if !r.Rules.absenceCounts(*k, r.Sent) {
		return false
	}
	k.Look = k.Look.Clamp(r.Sent, 0)
	switch {
	case k.Look.IsZero() || k.Attempts != attempts:
		k.Look, k.Attempts = r.Sent, attempts
	case k.Look.Elapsed(r.Sent) >= r.Rules.Late && k.Look != r.Sent:
		k.close(ClosedAbsent, now)
	}
	return true
}

// answeredAt is when the answer arrived, by both clocks.
func (r LookupRecord) answeredAt() Instant {
	return Instant{DB: r.Sent.DB.Add(max(0, r.Worker.Sub(r.Sent.Worker))), Worker: r.Worker}
}

// conclude settles a payment that waits for the lookup: one whose attempts are over, or an unresolved
// one.
func (r LookupRecord) conclude(p Payment, k Key, absent bool, now Instant) Decision {
	was, nextLookup, lookups := p.State, p.DueAt, p.Lookups
	o := r.outcome(was, k, absent)
	o.keepCancelRequest(p)
	p.Doubt = k.Doubt
	if k.Closed != "" {
		p.Doubt = Doubt{}
	}
	p.settle(o, now)
	if o.State == StateSucceeded && !r.Result.Captured.IsZero() { // a hold of which a part was captured meanwhile
		p.CapturedMinor = r.Result.Captured.Minor()
	}
	switch {
	case o.State == StateScheduled:
		p.DeferredRetries++
		p.Retries = 0
	case was == o.State && was.looksUp():
		p.DueAt, p.Lookups = nextLookup, lookups // as the lookup's claim has set them
	}
	p.voidNow(now)
	r.scheduleKey(&k, o, now)
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	if _, stored := p.findKey(k.Key); stored || !o.State.Approved() && k.hasEvidence() {
		d.storeKey(k)
	}
	switch {
	case o.State == StateScheduled:
		d.addEvent(EventScheduled, r.Replica, string(o.State)+": "+o.Reason)
	case o.State.Final(), o.State == StateAuthorized:
		d.addEvent(EventReconciled, r.Replica, string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	}
	return d
}

// hasEvidence reports whether the record says more about the key than the payment's row does.
func (k *Key) hasEvidence() bool {
	return k.Closed != "" || !k.Look.IsZero() || k.Refusal.Class != "" || k.Reference != "" || k.RedirectURL != ""
}

// scheduleKey sets the next lookup of the key of a payment that the lookup concluded.
func (r LookupRecord) scheduleKey(k *Key, o Outcome, now Instant) {
	switch {
	case o.State == StateSucceeded && k.watched(r.Operation, now):
		k.DueAt = now.DB.Add(watchDelay)
	case !now.DB.Before(k.WatchUntil) || o.State.Approved():
		k.DueAt = time.Time{}
	case !o.State.looksUp() && k.DueAt.IsZero():
		k.DueAt = now.DB.Add(watchDelay)
	}
	switch o.State {
	case StateScheduled, StateFailed:
		if k.Closed == "" {
			k.DueAt = now.DB.Add(r.Rules.Late) // the second lookup
			k.Lookups = 0
		}
	case StateProcessing, StatePending, StateAuthorized, StateSucceeded, StateDeclined, StateUnresolved, StateVoided:
	}
}

// outcome returns the outcome of the payment, which was in another state before the lookup. An async payment that failed because its
// retries are exhausted is scheduled for another round, if it has one left.
func (r LookupRecord) outcome(was State, k Key, absent bool) Outcome {
	switch {
	case r.Result.approves():
		return r.Result.approval()
	case k.Closed == ClosedVoided && was == StatePending:
		return Outcome{State: StateDeclined, Code: DeclineAbandoned, Reason: "the charge was cancelled before the customer had acted"}
	case k.Closed != "",
		absent && k.Refusal.Class == "" && !k.Doubt.Named && r.Rules.HonoursKeys():
		o := k.Refusal.outcome()
		if o.State == StateFailed && o.Code == CodeRetriesExhausted && r.DeferIn > 0 {
			o = Outcome{State: StateScheduled, Reason: o.Reason, DueIn: r.DeferIn}
		}
		return o
	}
	o := Outcome{State: StateUnresolved, DueIn: r.Rules.LookupFirst, Reason: r.reason(k, absent)}
	forgotten := r.Result.Result == FoundNothing && r.Rules.forgotten(k, r.Sent)
	if r.Result.Result == FoundPending || was == StatePending && !forgotten {
		o.State = StatePending // until the key is closed or the charge is decided
	}
	return o
}

// approval returns the outcome of a payment whose charge took the money, or holds it.
func (l Lookup) approval() Outcome {
	o := Outcome{State: StateSucceeded, TransactionID: l.TransactionID}
	if l.Result == FoundAuthorized {
		o.State, o.HoldExpires = StateAuthorized, l.HoldExpires
	}
	return o
}

// reason returns why the payment is unresolved after the lookup.
func (r LookupRecord) reason(k Key, absent bool) string {
	switch r.Result.Result {
	case FoundProcessing:
		return "the gateway is still processing the charge"
	case FoundPending:
		return "the gateway has the charge and has not decided it"
	case FoundNothing, FoundDeclined:
		switch {
		case absent:
			return "no charge was found; a second lookup must find none before the payment is final"
		case r.Rules.forgotten(k, r.Sent):
			return ReasonForgotten
		}
		return "no charge was found, but an unanswered attempt may still arrive"
	case FoundApproved, FoundAuthorized, FoundVoided, FoundReturned, FoundNoAnswer:
	}
	return "the gateway gave no answer: " + r.Result.Message
}

// ReasonForgotten is the reason of a payment that no lookup can resolve any more: an operator must.
const ReasonForgotten = "no charge was found, and the gateway may have forgotten the key: only a person can resolve it"

func (r LookupRecord) approval() Approval {
	return Approval{
		OrderID: r.OrderID, Operation: r.Operation, Key: r.Key, Gateway: r.Rules.Gateway, TransactionID: r.Result.TransactionID,
		Hold: r.Result.Result == FoundAuthorized, HoldExpires: r.Result.HoldExpires, Captured: r.Result.Captured, By: r.Replica, Rules: r.Rules, Worker: r.Worker,
	}
}
