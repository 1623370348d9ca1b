package payment

import (
	"fmt"
	"time"
)

// Expedite is an operator's request to continue with a payment or other operation now, before it is due.
type Expedite struct {
	OrderID OrderID
	// Operation is the zero value for the order's charge.
	Operation OperationID
	// Retry has the queue send the key again now, which it does only if the key may be sent. Otherwise the key is
	// looked up now, which moves no money.
	Retry  bool
	By     string // the operator
	Rules  KeyRules
	Worker time.Time
}

// NotExpeditedError refuses an [Expedite]. Nothing was stored.
type NotExpeditedError struct {
	Why string // a sentence that says what to do instead
}

// Error returns the sentence in Why.
func (e *NotExpeditedError) Error() string { return e.Why }

// maxOperatorEvents bounds the stored events of a payment to which operators may add in this way.
const maxOperatorEvents = 1000

// Apply makes the payment due now, or returns a *[NotExpeditedError]. The fencing token grows, so that a repeat after
// a lost answer is recognized, and an answer to an older lookup that finds nothing does not count.
func (e Expedite) Apply(p Payment, now time.Time) (Decision, error) {
	at := Instant{now, e.Worker}
	switch {
	case p.Events >= maxOperatorEvents:
		return e.refuse("the history is full: archive it with `paymentd archive`, or wait until the service continues by itself")
	case e.Rules.Claimed(p, now), p.State == StateProcessing:
		return e.refuse("a worker is processing it, or a replica is about to take it over; wait for the outcome")
	case p.Foreign(e.Rules):
		return e.refuse(fmt.Sprintf("its gateway %s is not configured; add the gateway to the settings", p.Gateway))
	case e.Retry:
		return e.retry(p, at)
	case p.State.looksUp():
		was := e.was(p, p.DueAt, now)
		p.DueAt = now
		return e.write(p, nil, was+"; look up now", now), nil
	}
	return e.lookUpKey(p, now)
}

func (e Expedite) refuse(why string) (Decision, error) {
	return Decision{}, &NotExpeditedError{Why: why}
}

// was describes the payment before the act.
func (e Expedite) was(p Payment, due, now time.Time) string {
	if due.After(now) {
		return fmt.Sprintf("was %s and due in %s", p.State, due.Sub(now).Round(time.Second))
	}
	return fmt.Sprintf("was %s and due", p.State)
}

// write stores the act with what it has changed.
func (e Expedite) write(p Payment, k *Key, detail string, now time.Time) Decision {
	p.Fence++
	p.UpdatedAt = now
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	if k != nil {
		d.storeKey(*k)
	}
	d.addEvent(EventExpedited, e.By, detail)
	return d
}

// retry has the queue continue with the payment. An unresolved payment begins another round with the same key, as a
// request of a client would.
func (e Expedite) retry(p Payment, now Instant) (Decision, error) {
	was := e.was(p, p.DueAt, now.DB)
	switch p.State {
	case StateScheduled:
		p.DueAt = now.DB
		return e.write(p, nil, was+"; retry now", now.DB), nil
	case StateUnresolved:
	case StateProcessing, StatePending, StateAuthorized, StateSucceeded, StateDeclined, StateFailed, StateVoided:
		return e.refuse(fmt.Sprintf("it is %s; only one that is scheduled or unresolved is retried", p.State))
	}
	if choice, _ := p.chooseKey(e.Rules, p.Method, now); choice != keyKept {
		return e.refuse("its key may not be sent again; look it up, or resolve it")
	}
	prior := p.archiveAttempt(now.DB)
	p.State, p.DueAt = StateScheduled, now.DB
	p.Code, p.Reason = "", ""
	p.LostWorkers, p.Lookups, p.Retries = 0, 0, 0
	d := e.write(p, nil, was+"; now scheduled: retry with the same key", now.DB)
	d.PriorAttempt = prior
	return d, nil
}

// lookUpKey has the key of a payment looked up that does not wait for it: one that failed and may still have moved
// money.
func (e Expedite) lookUpKey(p Payment, now time.Time) (Decision, error) {
	k, stored := p.findKey(p.GatewayKey)
	if !stored || k.DueAt.IsZero() {
		return e.refuse(fmt.Sprintf("it is %s, and nothing about it is in doubt", p.State))
	}
	was := e.was(p, k.DueAt, now)
	k.DueAt = now
	return e.write(p, &k, was+"; look up now", now), nil
}
