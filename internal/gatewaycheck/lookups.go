package gatewaycheck

import (
	"fmt"
	"time"

	"paymentd/core/payment"
)

// lagSamples is how many charges are made to measure the lag of lookups.
const lagSamples = 3

// A call that is expected to hang is given up after minHung, or after so many times the duration of the first
// charge that another order must have been answered meanwhile.
const (
	minHung    = 2 * time.Second
	hungFactor = 4
)

func lookupChecks() []check {
	return []check{
		{
			name: "lookup of a charge", promise: NeverGuessed, costs: costs(lagSamples, lagSamples), run: measureLag,
			proves: "a charge that was answered is found by its key, within the lag that is declared",
			advice: "Let a lookup read what the charge has written, not a copy that lags; or declare the lag with --lookup-lag, and to the " +
				"service with PAYMENTD_GATEWAY_LOOKUP_LAG. A lookup that finds nothing after the lag makes the payment failed.",
		},
		{
			name: "lookup of a running charge", promise: NeverGuessed, run: lookUpRunning,
			costs:  func(s Subject) []cost { return []cost{{s.Slow, 1, 1}} },
			proves: "a lookup gives no outcome to a charge that is being processed",
			advice: "Answer the lookup of a key that is being processed with {\"status\":\"processing\"}, or as if it were not known yet.",
		},
		{
			name: "a request that hangs", promise: NeverLost, run: hang,
			costs:  func(s Subject) []cost { return []cost{{s.Hung, 0, 1}, {s.Approved, 1, 1}} },
			proves: "one request without an answer does not hold up lookups and other orders",
			advice: "Bound what the gateway does for one request, and let no request wait for another order's.",
		},
	}
}

// measureLag looks new charges up until they are found.
func measureLag(r *run) Finding {
	declared := r.Gateway.Capabilities().LookupLag
	var lag time.Duration
	for range lagSamples {
		m, wrong := r.approve(r.Approved)
		if wrong != nil {
			return *wrong
		}
		late, l := r.findAfter(m)
		if l.Result != payment.FoundApproved || l.TransactionID != m.transactionID {
			return fail("a charge was approved as " + m.transactionID + ", and " + seconds(late) + " later the lookup says: " + describeLookup(l))
		}
		lag = max(lag, late)
	}
	switch {
	case lag > declared:
		return fail("a lookup " + seconds(lag) + " after the answer did not find the charge; the declared lag is " + seconds(declared))
	case lag > 0:
		return pass("found at most " + seconds(lag) + " after the answer; the declared lag is " + seconds(declared))
	}
	return pass(fmt.Sprintf("%d charges were found by the first lookup after the answer", lagSamples))
}

// findAfter looks a charge up until it is found. It returns how long after the answer the last lookup was
// sent that did not find it.
func (r *run) findAfter(m made) (lag time.Duration, l payment.Lookup) {
	answered := time.Now()
	deadline := answered.Add(r.Gateway.Capabilities().LookupLag + r.Wait)
	for {
		sent := time.Now()
		if l = r.lookUp(m.ref()); l.Result != payment.FoundNothing && l.Result != payment.FoundProcessing {
			return lag, l
		}
		lag = max(sent.Sub(answered), time.Millisecond)
		if sent.After(deadline) || !r.sleep(pollInterval) {
			return lag, l
		}
	}
}

// lookUpRunning looks a charge up while it is being processed.
func lookUpRunning(r *run) Finding {
	if r.Slow.IsZero() {
		return skip("no amount is known that takes the gateway a second or more", "Name one with --slow-amount.")
	}
	c := r.order(r.Slow)
	sent := time.Now()
	done := make(chan payment.Result, 1)
	go func() { done <- r.attempt(r.ctx, c) }()
	var seen []payment.LookupResult
	for {
		select {
		case result := <-done:
			return r.afterRunning(c, sent, result, seen)
		default:
		}
		began := time.Now()
		l := r.lookUp(refOf(c))
		switch l.Result {
		case payment.FoundDeclined, payment.FoundVoided, payment.FoundReturned, payment.FoundNoAnswer:
			<-done
			return fail("while the charge was being processed, the lookup said: " + describeLookup(l))
		case payment.FoundProcessing, payment.FoundNothing, payment.FoundPending:
			if began.Sub(sent) > pollInterval { // the request has arrived
				seen = append(seen, l.Result)
			}
		case payment.FoundApproved, payment.FoundAuthorized:
		}
		r.sleep(pollInterval)
	}
}

// afterRunning concludes lookUpRunning when the charge was answered.
func (r *run) afterRunning(c payment.Charge, sent time.Time, result payment.Result, seen []payment.LookupResult) Finding {
	if result.Class != payment.ClassApproved {
		return fail("the slow charge was " + describe(result)).advised("Name an amount with --slow-amount that is approved within --timeout.")
	}
	r.record(c, result.TransactionID, sent)
	if len(seen) == 0 {
		return skip("the charge was answered too fast, after "+seconds(time.Since(sent)), "Name a slower one with --slow-amount.")
	}
	if l := r.await(refOf(c)); l.TransactionID != result.TransactionID {
		return fail("the charge was approved as " + result.TransactionID + ", and the lookup says: " + describeLookup(l))
	}
	return pass("for " + seconds(time.Since(sent)) + " the charge was " + lookupNames[seen[len(seen)-1]] + ", and then approved as " + result.TransactionID)
}

// hang lets a request hang, and uses the gateway meanwhile.
func hang(r *run) Finding {
	if r.Hung.IsZero() {
		return skip("no amount is known that the gateway never answers", "Name one with --hung-amount.")
	}
	c := r.order(r.Hung)
	hung := *r
	hung.Timeout = min(r.Timeout, max(minHung, hungFactor*r.first.took))
	done := make(chan payment.Result, 1)
	go func() { done <- hung.attempt(r.ctx, c) }()
	r.sleep(pollInterval)
	sent := time.Now()
	_, wrong := r.approve(r.Approved)
	l := r.lookUp(refOf(c))
	took := time.Since(sent)
	held := len(done) > 0 // the other answers came only when the request had ended
	result := <-done
	switch {
	case result.Class == payment.ClassApproved:
		r.record(c, result.TransactionID, sent)
		return skip("the gateway approved "+r.Hung.String(), "Name an amount with --hung-amount that it never answers.")
	case result.Answered:
		return skip("the gateway answered: "+describe(result), "Name an amount with --hung-amount that it never answers.")
	case wrong != nil:
		return *wrong
	case held:
		return fail("another order and a lookup were answered only when the request that hung was given up, after " + seconds(took))
	case l.Result == payment.FoundNoAnswer || l.Result == payment.FoundDeclined:
		return fail("while the request hung, its lookup said: " + describeLookup(l))
	}
	return pass("while a request hung, another order was charged and the key looked up within " + seconds(took))
}
