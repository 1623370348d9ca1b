package payment

import (
	"cmp"
	"time"
)

// LookupRecord is the answer to one lookup, to be stored under the row's lock. It says everything
// that a lookup can change: the payment's outcome, and what is proven of the key.
type LookupRecord struct {
	// Hold is the claim, or what was read, before the lookup was sent. Anything but a charge
	// that was found counts only if the fencing number is still the same and no attempt has begun since.
	ClaimRef

	Key     GatewayKey
	Replica string
	Rules   KeyRules
	// Sent is when the lookup was sent; it counts as of then.
	Sent Instant
	// Worker is the time by the worker's clock when the answer was there.
	Worker time.Time
	Result Lookup
	// End is the end of the attempt at hand, of a round that the lookup concludes. Nil if it is
	// recorded already, or the attempt never began.
	End *AttemptEnd
	// Last is the result of the last attempt of that round: a decline or a rejection ends the
	// payment only when the key is closed.
	Last Result
	// DeferIn is after how long an async payment that failed gets another round; zero for none.
	DeferIn time.Duration
}

// Apply returns the payment after the lookup at now, or [ErrFenced]. Applying it a second time,
// because the answer to the first was lost, changes nothing more.
func (r LookupRecord) Apply(p Payment, now time.Time) (Decision, error) {
	at := Instant{now, r.Worker}
	current := p.GatewayKey == r.Key
	same := p.Fence == r.Fence && p.Attempt.Number == r.Attempt
	open := current && p.State == r.State && (p.State == StateProcessing || p.State == StateUnresolved)
	if r.Result.Result == FoundApproved && (!same || !open) {
		return r.approval().Apply(p, now)
	}
	if !same {
		return Decision{}, ErrFenced
	}
	if open && p.State == StateProcessing {
		p.endAttempt(r.ClaimRef, r.End, at)
	}
	k, _ := p.findKey(r.Key)
	if current && p.State != StateSucceeded { // whose row has no doubt left
		k = p.key()
	}
	before := k
	found := r.judge(&k, p.Attempt.Number, at)
	d := Decision{Verdict: VerdictWritten, Payment: p}
	switch {
	case open:
		return r.conclude(p, k, found, at), nil
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
		d.keepKey(k)
	}
	return d, nil
}

// judge takes the answer into the key's record, and reports whether a lookup counted that found
// nothing.
func (r LookupRecord) judge(k *Key, attempts int, now Instant) (absent bool) {
	if refusal := r.Last.refusal(); refusal.Class != "" {
		k.Refusal = refusal
	}
	switch r.Result.Result {
	case FoundApproved:
		k.close(ClosedCharged, now)
	case FoundDeclined:
		if r.Rules.SavesDeclines {
			k.Refusal = Refusal{Class: ClassDeclined, Code: clipCode(r.Result.Code), Message: clip(r.Result.Message)}
			k.close(ClosedDeclined, now)
			return false
		}
		return r.absent(k, attempts, now)
	case FoundVoided:
		k.close(ClosedVoided, now)
	case FoundProcessing:
		k.Doubt.Unanswered = k.Doubt.Unanswered.Later(r.answered())
		k.contradict()
	case FoundPending:
		k.Doubt.Named = true
		k.contradict()
	case FoundNothing:
		return r.absent(k, attempts, now)
	case FoundNoAnswer:
	}
	return false
}

// absent is for an answer that found nothing. The second that counts closes the key.
func (r LookupRecord) absent(k *Key, attempts int, now Instant) bool {
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

// contradict is for an answer that names a charge with the key: no proof that there is none counts.
func (k *Key) contradict() {
	k.Look, k.Attempts = Instant{}, 0
	k.Closed, k.ClosedAt = "", time.Time{}
}

// answered is when the answer came, by both clocks.
func (r LookupRecord) answered() Instant {
	return Instant{DB: r.Sent.DB.Add(max(0, r.Worker.Sub(r.Sent.Worker))), Worker: r.Worker}
}

func (k *Key) close(why Closure, now Instant) {
	if k.Closed == "" {
		k.Closed, k.ClosedAt = why, now.DB
	}
}

// conclude settles a payment that waited for the lookup: one whose round is over, or an unresolved one.
func (r LookupRecord) conclude(p Payment, k Key, absent bool, now Instant) Decision {
	waited := p.State == StateUnresolved
	o := r.outcome(k, absent)
	deferred := o.State == StateFailed && o.Code == CodeRetriesExhausted && r.DeferIn > 0
	if deferred {
		o = Outcome{State: StateScheduled, Reason: o.Reason, DueIn: r.DeferIn}
	}
	d := Decision{Verdict: VerdictWritten, Write: true}
	nextLookup := p.DueAt
	lookups := p.Lookups
	p.Doubt = k.Doubt
	if k.Closed != "" {
		p.Doubt = Doubt{}
	}
	p.settle(o, now)
	switch {
	case !now.DB.Before(k.WatchUntil) || o.State == StateSucceeded:
		k.DueAt = time.Time{}
	case o.State != StateUnresolved && k.DueAt.IsZero():
		k.DueAt = now.DB.Add(watchFirst)
	}
	switch {
	case deferred:
		p.DeferredRetries++
		p.Retries = 0
		fallthrough
	case o.State == StateFailed:
		if k.Closed == "" {
			k.DueAt = now.DB.Add(r.Rules.Late) // the second look
			k.Lookups = 0
		}
	case waited && o.State == StateUnresolved:
		p.DueAt, p.Lookups = nextLookup, lookups // as the lookup's claim has put it off
	}
	d.Payment = p
	_, stored := p.findKey(k.Key)
	if stored || o.State != StateSucceeded && (k.Closed != "" || !k.Look.IsZero() || k.Refusal.Class != "") {
		d.keepKey(k)
	}
	switch {
	case deferred:
		d.addEvent(EventScheduled, r.Replica, string(o.State)+": "+o.Reason)
	case o.State.Final():
		d.addEvent(EventReconciled, r.Replica, string(o.State)+": "+cmp.Or(o.Reason, o.TransactionID))
	}
	return d
}

// outcome is what the lookup makes of the payment.
func (r LookupRecord) outcome(k Key, absent bool) Outcome {
	unresolved := Outcome{State: StateUnresolved, DueIn: r.Rules.LookupFirst, Reason: r.reason(k, absent)}
	switch {
	case r.Result.Result == FoundApproved:
		return Outcome{State: StateSucceeded, TransactionID: r.Result.TransactionID}
	case k.Closed != "":
		return k.Refusal.outcome()
	case absent && k.Refusal.Class == "" && !k.Doubt.Named && r.Rules.HonoursKeys:
		return k.Refusal.outcome()
	}
	return unresolved
}

// reason says why the payment is unresolved after the lookup.
func (r LookupRecord) reason(k Key, absent bool) string {
	switch r.Result.Result {
	case FoundProcessing:
		return "the gateway is still processing the charge"
	case FoundPending:
		return "the gateway has the charge and has not decided it"
	case FoundNothing, FoundDeclined:
		switch {
		case absent:
			return "no charge was found; a second lookup must find none before the payment ends"
		case r.Rules.forgotten(k, r.Sent):
			return ReasonForgotten
		}
		return "no charge was found, and an attempt that was not answered may still arrive"
	case FoundApproved, FoundVoided, FoundNoAnswer:
	}
	return "the gateway gave no answer: " + r.Result.Message
}

// ReasonForgotten is the reason of a payment that no lookup can resolve any more: a person must.
const ReasonForgotten = "no charge was found, and the gateway may have forgotten the key: only a person can resolve it"

func (r LookupRecord) approval() Approval {
	return Approval{
		OrderID: r.OrderID, Key: r.Key, Gateway: r.Rules.Gateway, TransactionID: r.Result.TransactionID,
		By: r.Replica, Rules: r.Rules, Worker: r.Worker,
	}
}
