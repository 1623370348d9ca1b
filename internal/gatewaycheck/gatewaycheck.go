package gatewaycheck

import (
	"context"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Subject is the gateway to check, and what the checks charge there.
type Subject struct {
	Gateway ports.Gateway

	Approved payment.Money // an amount that the gateway approves
	Method   payment.PaymentMethod

	// Further amounts, each with what the gateway does with it. A zero amount skips its check.
	Declined    payment.Money // declines
	Slow        payment.Money // answers after a second or more, and approves
	Hung        payment.Money // never answers
	Pending     payment.Money // reports as pending until it is cancelled
	Whole       payment.Money // approves; in a currency without decimals
	Thousandths payment.Money // approves; in a currency with three decimals

	// Timeout bounds one call.
	Timeout time.Duration
	// Wait bounds how long a check waits for the gateway beyond what it declares: for a lookup to find a
	// charge, and until a key that is repeated last has some age.
	Wait time.Duration
}

// Result is the result of one check.
type Result string

const (
	// Pass: the gateway has the property.
	Pass Result = "pass"
	// Fail: the gateway lacks it, and the promise of the service does not hold.
	Fail Result = "fail"
	// Skip: it is unproven.
	Skip Result = "skip"
)

// Promise is the sentence of the service's promise that a check backs (docs/promise.md).
type Promise string

// The sentences of the promise.
const (
	NeverTwice   Promise = "Never twice"   // an order is charged at most once
	NeverLost    Promise = "Never lost"    // a payment reaches a final state
	NeverGuessed Promise = "Never guessed" // an unknown outcome is looked up
	NeverSilent  Promise = "Never silent"  // a difference is reported
)

// Finding is what a check found.
type Finding struct {
	// Check is the name of the check.
	Check  string `json:"check"`
	Result Result `json:"result"`
	// Found is what the check saw, in a sentence without a full stop.
	Found string `json:"found"`
	// Proves is what a pass proves, as it continues "proves that".
	Proves  string  `json:"proves"`
	Promise Promise `json:"promise"`
	// Advice is what to do. Empty if there is nothing.
	Advice string `json:"advice,omitempty"`
}

// check is one check.
type check struct {
	name    string
	proves  string
	promise Promise
	// advice is what to do after a failure that has no advice of its own.
	advice string
	// alone: the check needs no approved charge.
	alone bool
	costs func(Subject) []cost
	run   func(*run) Finding
}

// checks are all checks, in the order in which they run. The age of the first key grows meanwhile, so that
// its lifetime is checked last.
func checks() []check {
	var all []check
	for _, group := range [][]check{
		beginning(), keyChecks(), lookupChecks(), protocolChecks(), amountChecks(), refundChecks(), holdChecks(), endChecks(),
	} {
		all = append(all, group...)
	}
	return all
}

// Names returns the names of all checks, in their order.
func Names() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Run runs all checks, and calls report after each. Its error is the context's.
func Run(ctx context.Context, s Subject, report func(Finding)) ([]Finding, error) {
	r := &run{Subject: s, ctx: ctx, id: newID(), began: time.Now()}
	var findings []Finding
	for _, c := range checks() {
		var f Finding
		if !c.alone && r.first.transactionID == "" {
			f = skip("not run, because it needs a charge that the gateway approved", "")
		} else {
			f = c.run(r)
		}
		if err := ctx.Err(); err != nil {
			return findings, err
		}
		f.Check, f.Proves, f.Promise = c.name, c.proves, c.promise
		if f.Result == Fail && f.Advice == "" {
			f.Advice = c.advice
		}
		findings = append(findings, f)
		report(f)
	}
	return findings, nil
}

// Broken returns the sentences of the promise that the findings break, in order and each once.
func Broken(findings []Finding) []Promise {
	var broken []Promise
	for _, p := range []Promise{NeverTwice, NeverLost, NeverGuessed, NeverSilent} {
		for _, f := range findings {
			if f.Result == Fail && f.Promise == p {
				broken = append(broken, p)
				break
			}
		}
	}
	return broken
}

func pass(found string) Finding { return Finding{Result: Pass, Found: found} }

func fail(found string) Finding { return Finding{Result: Fail, Found: found} }

func skip(found, advice string) Finding { return Finding{Result: Skip, Found: found, Advice: advice} }

// advised adds advice to a finding.
func (f Finding) advised(advice string) Finding {
	f.Advice = advice
	return f
}
