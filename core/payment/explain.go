package payment

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Topic groups the reasons of an [Explanation].
type Topic string

// The topics, in the order in which an explanation has them.
const (
	// TopicWhy: why the money cannot be moved twice now.
	TopicWhy Topic = "why"
	// TopicKey: the current gateway key, and its age against its lifetime.
	TopicKey Topic = "key"
	// TopicProven: what is proven about the order's keys.
	TopicProven Topic = "proven"
	// TopicDoubt: what is in doubt, and since when.
	TopicDoubt Topic = "doubt"
	// TopicNext: which rule decides next, and when.
	TopicNext Topic = "next"
)

// Reason is one sentence of an [Explanation].
type Reason struct {
	Topic Topic
	Text  string
	// At is the moment that the sentence is about, by the database's clock; zero if there is none.
	At time.Time
}

// Explanation answers, from what is stored, why the money of an operation cannot be moved twice now, and what
// decides about it next.
type Explanation struct {
	// Reasons are in the order of the topics; each topic has at least one except TopicDoubt.
	Reasons []Reason
	// KeyAge is how long ago the current key may have been sent first, the larger by the two clocks; zero if it
	// was not sent.
	KeyAge time.Duration
	// KeyLifetime is how long the gateway remembers the key; zero for ever.
	KeyLifetime time.Duration
	// DoubtSince is the start of the first attempt with the current key whose outcome is unknown; zero if none is
	// in doubt.
	DoubtSince time.Time
	// NeedsPerson: no request and no lookup can decide the outcome any more.
	NeedsPerson bool
}

// Of returns the reasons of one topic.
func (e Explanation) Of(topic Topic) []Reason {
	var all []Reason
	for _, r := range e.Reasons {
		if r.Topic == topic {
			all = append(all, r)
		}
	}
	return all
}

// Explain explains the payment or other operation at now. Its Keys must have all records of its keys. attempts are
// its attempts, for the moment since which it is in doubt. It decides nothing: the decisions that it describes are
// those of [Payment.claim], [LookupRecord.Apply] and docs/double-charge.md.
func (p Payment) Explain(attempts []Attempt, r KeyRules, now Instant) Explanation {
	own, configured := r.At(p.Gateway)
	x := explainer{p: p, k: p.key(), rules: r, own: own, configured: configured, now: now}
	x.expired = own.Expired(p.KeySent, p.KeyLifetime, now)
	x.explainWhy()
	x.explainKey()
	x.explainProven()
	x.explainDoubt(attempts)
	x.explainNext()
	return x.e
}

// explainer builds an explanation.
type explainer struct {
	p          Payment
	k          Key // the current one
	rules      KeyRules
	own        KeyRules // of the key's gateway
	configured bool
	now        Instant
	expired    bool // the key may not be sent again, because of its age

	e Explanation
}

func (x *explainer) add(topic Topic, at time.Time, format string, args ...any) {
	x.e.Reasons = append(x.e.Reasons, Reason{Topic: topic, Text: fmt.Sprintf(format, args...), At: at})
}

// briefly formats a duration as 24h or 1m30s, without units that are zero at the end.
func briefly(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// noun names the operation.
func (x *explainer) noun() string { return cmp.Or(string(x.p.Operation.Kind), "charge") }

// explainWhy states the reason for which the money cannot be moved twice at this moment.
func (x *explainer) explainWhy() {
	noun := x.noun()
	switch p := &x.p; {
	case p.State == StateSucceeded:
		x.add(TopicWhy, time.Time{}, "The %s is recorded with its transaction. Every repeat is answered from the record, and the gateway is not called.", noun)
	case p.State == StateAuthorized:
		x.add(TopicWhy, time.Time{}, "The gateway holds the money under its transaction. One capture or void at a time may end the hold: the lock of the row decides which.")
	case p.State == StateVoided:
		x.add(TopicWhy, time.Time{}, "The hold was released, and the state is final: the order is not charged again.")
	case !x.k.isSent(p):
		x.add(TopicWhy, time.Time{}, "The gateway key has not been sent, so no %s exists.", noun)
	case p.State == StateProcessing:
		x.add(TopicWhy, time.Time{}, "One worker holds the claim with fencing token %d. Every attempt has the same gateway key, and a write with an older token is refused.", p.Fence)
	case p.Doubt.Any() && !x.configured:
		x.add(TopicWhy, time.Time{}, "The outcome is unknown, and the gateway of the key is not configured: the key is neither sent nor looked up, and no other key is sent.")
	case p.Doubt.Any() && !x.own.HonoursKeys():
		x.add(TopicWhy, time.Time{}, "The outcome is unknown, and the gateway does not honour keys: nothing is sent again. The key is only looked up.")
	case p.Doubt.Any() && x.expired:
		x.add(TopicWhy, time.Time{}, "The outcome is unknown, and the gateway may forget the key: nothing is sent again. The key is only looked up.")
	case p.Doubt.Any():
		x.add(TopicWhy, time.Time{}, "The outcome is unknown. No other key is sent until this one is closed, and the gateway answers a repeat of this one with the first %s.", noun)
	case p.State == StateDeclined:
		x.add(TopicWhy, time.Time{}, "The gateway declined, and the key is closed: nothing sent with it can move money.")
	default:
		x.add(TopicWhy, time.Time{}, "No attempt with the key is in doubt: each one provably moved no money.")
	}
}

// isSent reports whether the current key of p may have been sent.
func (k Key) isSent(p *Payment) bool { return !k.Sent.IsZero() || p.SentUnrecorded() }

// explainKey states the age of the current key against its lifetime.
func (x *explainer) explainKey() {
	p := &x.p
	if !x.k.isSent(p) {
		x.add(TopicKey, time.Time{}, "The key is stored and was not sent yet.")
		return
	}
	x.add(TopicKey, p.KeySent.DB, "The key may have been sent first at this time.")
	if !p.KeySent.IsZero() {
		x.e.KeyAge = max(0, p.KeySent.Age(x.now))
	}
	lifetime := x.own.lifetimeOf(p.KeySent, p.KeyLifetime)
	x.e.KeyLifetime = lifetime
	switch usable := lifetime - x.own.Timeout - x.own.Late; {
	case !x.own.HonoursKeys():
		x.add(TopicKey, time.Time{}, "The gateway does not honour keys, so that a key is sent once only.")
	case lifetime == 0:
		x.add(TopicKey, time.Time{}, "The gateway remembers keys for ever.")
	case x.expired:
		x.add(TopicKey, p.KeySent.DB.Add(usable), "The key is too old to be sent again: the gateway remembers keys for %s.", briefly(lifetime))
	default:
		x.add(TopicKey, p.KeySent.DB.Add(usable), "After this time the key is not sent again: the gateway remembers keys for %s, less one attempt and the time in which a late attempt may arrive.", briefly(lifetime))
	}
}

// closures describe why a key is closed.
var closures = map[Closure]string{
	ClosedDeclined:   "the gateway declined it",
	ClosedVoided:     "the gateway has cancelled or voided it",
	ClosedAbsent:     "two lookups found nothing, and both counted",
	ClosedPerson:     "an operator resolved it",
	ClosedCharged:    "its money movement is recorded",
	ClosedNotCharged: "each attempt with it provably moved no money",
}

// explainProven states what is proven of the order's keys.
func (x *explainer) explainProven() {
	p, before := &x.p, len(x.e.Reasons)
	if p.State.Approved() {
		x.add(TopicProven, p.UpdatedAt, "The gateway confirmed transaction %s.", p.TransactionID)
	}
	if x.k.Closed != "" {
		x.add(TopicProven, x.k.ClosedAt, "The current key is closed: %s.", closures[x.k.Closed])
	}
	if p.Doubt.Any() && x.k.Refusal.Class != "" {
		x.add(TopicProven, time.Time{}, "The gateway answered %s (%s) to a later attempt. That becomes the outcome when the key is closed.",
			x.k.Refusal.Class, cmp.Or(x.k.Refusal.Code, x.k.Refusal.Message, "no code"))
	}
	if p.Doubt.Any() && !x.k.Look.IsZero() && x.k.Attempts == p.Attempt.Number {
		x.add(TopicProven, x.k.Look.DB, "A lookup that was sent at this time found nothing, and counts as the first of two.")
	}
	for _, k := range p.Keys {
		if k.Key != p.GatewayKey && k.Closed != "" {
			x.add(TopicProven, k.ClosedAt, "The earlier key %s is closed: %s.", k.Key, closures[k.Closed])
		}
	}
	if len(x.e.Reasons) > before {
		return
	}
	switch {
	case p.Doubt.Any():
		x.add(TopicProven, time.Time{}, "Nothing is proven yet about the attempts with the key.")
	case p.State == StateProcessing:
		x.add(TopicProven, time.Time{}, "No earlier attempt with the key is in doubt. The present one has no result yet.")
	default:
		x.add(TopicProven, time.Time{}, "No attempt with the key is in doubt.")
	}
}

// explainDoubt states what is unknown.
func (x *explainer) explainDoubt(attempts []Attempt) {
	p := &x.p
	if p.Doubt.Any() {
		x.e.DoubtSince = p.KeySent.DB
		for _, a := range attempts {
			if a.GatewayKey == p.GatewayKey && a.Class.Unknown() {
				x.e.DoubtSince = a.StartedAt
				break
			}
		}
		x.add(TopicDoubt, x.e.DoubtSince, "The key is in doubt since this time.")
	}
	if !p.Doubt.Unanswered.IsZero() {
		until := p.Doubt.Unanswered.DB.Add(x.own.Late)
		if p.Doubt.MayStillCharge(x.now, x.own.Late) {
			x.add(TopicDoubt, until, "An attempt had no answer from the gateway itself. It may still arrive and move the money until this time.")
		} else {
			x.add(TopicDoubt, until, "An attempt had no answer from the gateway itself. After this time it can no longer arrive, but it may have moved the money.")
		}
	}
	if p.Doubt.Named {
		x.add(TopicDoubt, time.Time{}, "The gateway has named the %s as pending and has not decided.", x.noun())
	} else if p.Doubt.Answered {
		x.add(TopicDoubt, time.Time{}, "The gateway answered an attempt without saying whether it moved the money.")
	}
	for _, k := range p.Keys {
		if k.Key != p.GatewayKey && k.Closed == "" {
			x.add(TopicDoubt, k.DueAt, "The earlier key %s is not closed. It is looked up, next at this time, and never sent.", k.Key)
		}
	}
}

// explainNext states which rule decides next.
func (x *explainer) explainNext() {
	p := &x.p
	if p.Foreign(x.rules) {
		x.e.NeedsPerson = true
		x.add(TopicNext, time.Time{}, "It waits until gateway %s is configured again: a key is only used at its own gateway.", p.Gateway)
		return
	}
	switch p.State {
	case StateSucceeded, StateVoided:
		x.add(TopicNext, time.Time{}, "Nothing: the state is final.")
	case StateAuthorized:
		x.nextAuthorized()
	case StateProcessing:
		x.nextProcessing()
	case StateScheduled:
		x.add(TopicNext, p.DueAt, "The queue claims it at this time, and %s.", x.choice())
	case StatePending:
		x.nextPending()
	case StateUnresolved:
		x.nextUnresolved()
	case StateDeclined, StateFailed:
		x.nextRefused()
	}
}

// choice says with which key the next claim continues.
func (x *explainer) choice() string {
	choice, target := x.p.chooseKey(x.rules, x.p.Method, x.now)
	switch choice {
	case keyReplaced:
		return "sends a new key, because the present one is closed and cannot be used again"
	case keyMoved:
		return fmt.Sprintf("sends a new key to gateway %s, because the present one is closed", target)
	case keyLookUpOnly:
		return "only looks the key up, because it may not be sent again"
	case keyForeign:
		return "does nothing, because no configured gateway takes it"
	case keyKept:
	}
	return "sends the same key"
}

func (x *explainer) nextProcessing() {
	p := &x.p
	switch {
	case !x.rules.Claimed(*p, x.now.DB):
		x.add(TopicNext, p.DueAt, "The lease of %s ended at this time. A replica takes the claim over and %s.", p.Replica, x.choice())
	case p.InBackoff(x.now.DB):
		x.add(TopicNext, p.Attempt.StartedAt, "Attempt %d begins at this time, with the same key.", p.Attempt.Number)
		fallthrough
	default:
		x.add(TopicNext, p.DueAt, "If %s records no result until the lease ends at this time, a replica takes the claim over with the next fencing token.", p.Replica)
	}
}

func (x *explainer) nextPending() {
	p := &x.p
	if p.CancelRequested() {
		x.add(TopicNext, p.DueAt, "A void was requested: the gateway is asked to cancel at this time, and again until the answer decides.")
		return
	}
	if x.own.abandoned(*p, x.now) {
		x.add(TopicNext, p.DueAt, "The customer has not acted in time: the gateway is asked to cancel at this time, and the answer decides.")
		return
	}
	x.add(TopicNext, p.DueAt, "The gateway decides. The next lookup is due at this time; an event of the gateway makes it due at once.")
	if x.own.Cancels && x.own.PendingTimeout > 0 && p.RedirectURL() != "" {
		began := p.KeySent.Later(p.Doubt.Latest)
		x.add(TopicNext, began.DB.Add(x.own.PendingTimeout), "If the customer has not acted until this time, the gateway is asked to cancel.")
	}
}

func (x *explainer) nextAuthorized() {
	p := &x.p
	if p.HoldClaimedBy != KindCharge {
		x.add(TopicNext, time.Time{}, "A %s is in progress: its outcome ends the hold, or releases the claim on it.", p.HoldClaimedBy)
	} else {
		x.add(TopicNext, time.Time{}, "A capture takes the money, and a void releases it.")
	}
	x.add(TopicNext, p.DueAt, "The hold is looked up at this time.")
	if !p.HoldExpires.IsZero() {
		x.add(TopicNext, p.HoldExpires, "The gateway lets the hold expire at this time.")
	}
}

func (x *explainer) nextUnresolved() {
	p := &x.p
	switch {
	case !x.own.LooksUp:
		x.e.NeedsPerson = true
		x.add(TopicNext, time.Time{}, "The gateway cannot be asked about a key. A person must find out and resolve it.")
		return
	case x.own.forgotten(x.k, x.now):
		x.e.NeedsPerson = true
		x.add(TopicNext, time.Time{}, "A lookup that finds nothing proves nothing any more, because the gateway may have forgotten the key. A person must find out and resolve it.")
	}
	x.add(TopicNext, p.DueAt, "The next lookup is due at this time. Lookups never move money; one that finds the %s settles it.", x.noun())
	x.explainAbsence()
}

// explainAbsence states when a lookup that finds nothing counts.
func (x *explainer) explainAbsence() {
	if x.e.NeedsPerson {
		return
	}
	counts := x.now.DB
	if !x.p.Doubt.Unanswered.IsZero() {
		counts = x.p.Doubt.Unanswered.DB.Add(x.own.Late)
	}
	if lag := x.p.Doubt.Latest.DB.Add(x.own.LookupLag); x.own.LookupLag > 0 && lag.After(counts) {
		counts = lag
	}
	if counts.After(x.now.DB) {
		x.add(TopicNext, counts, "A lookup that finds nothing counts from this time on, because an attempt may arrive late.")
		return
	}
	x.add(TopicNext, time.Time{}, "A lookup that finds nothing counts now; two of them, at least %s apart, close the key.", briefly(x.own.Late))
}

func (x *explainer) nextRefused() {
	p := &x.p
	if p.Doubt.Any() && !x.k.DueAt.IsZero() {
		x.add(TopicNext, x.k.DueAt, "The key is looked up again at this time, until a second lookup that finds nothing closes it.")
	}
	if !p.Operation.IsCharge() && p.returned() {
		x.add(TopicNext, time.Time{}, "Nothing: the state is final.")
		return
	}
	x.add(TopicNext, time.Time{}, "Nothing by itself. A new request begins a round and %s.", x.choice())
}
