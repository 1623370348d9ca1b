package gatewaycheck

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"paymentd/core/payment"
)

const (
	// maxThrottled is how often a charge that the gateway refused for its rate is sent again.
	maxThrottled = 3
	// maxThrottle bounds each wait for that.
	maxThrottle = 10 * time.Second
)

// run is one run of the checks.
type run struct {
	Subject

	ctx   context.Context //nolint:containedctx // of the whole run
	id    string          // is part of each order id
	keys  int             // how many were used
	blind bool            // a lookup has not found a charge, however long it was repeated
	began time.Time
	first made // the first charge that was approved
	made  []made
	// unrefunded is why the gateway gave no refund; empty unless it was asked for one.
	unrefunded string
	// unheld is why the gateway held no money; empty unless it was asked to.
	unheld string
}

// made is a charge that the gateway approved.
type made struct {
	charge        payment.Charge
	transactionID string
	sent          time.Time
	took          time.Duration // until its answer
}

func (m made) ref() payment.ChargeRef { return refOf(m.charge) }

func refOf(c payment.Charge) payment.ChargeRef {
	return payment.ChargeRef{Key: c.Key, OrderID: c.OrderID, Money: c.Money, Capture: c.Capture}
}

// order returns a charge with a key that was never used, which is a UUID as the service's keys are.
func (r *run) order(m payment.Money) payment.Charge {
	r.keys++
	return payment.Charge{
		Key: payment.GatewayKey(newID()), OrderID: payment.OrderID(orderPrefix + r.id + "-" + strconv.Itoa(r.keys)),
		Money: m, Method: r.Method,
	}
}

// orderPrefix begins the order id of each charge.
const orderPrefix = "gateway-check-"

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// charge makes an attempt. One that the gateway refuses for its rate, which charges nothing, is repeated
// after the wait that the gateway asks for.
func (r *run) charge(c payment.Charge) payment.Result {
	for throttled := 0; ; throttled++ {
		result := r.attempt(r.ctx, c)
		if result.Class != payment.ClassNotCharged || !result.Answered || throttled == maxThrottled {
			return result
		}
		if !r.sleep(min(cmp.Or(result.RetryAfter, time.Second), maxThrottle)) {
			return result
		}
	}
}

// attempt makes one attempt within the timeout.
func (r *run) attempt(ctx context.Context, c payment.Charge) payment.Result {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	return r.Gateway.Charge(ctx, c).Sanitized()
}

// approve makes a charge with a new key, which must be approved. Otherwise, its finding says why.
func (r *run) approve(m payment.Money) (made, *Finding) {
	c := r.order(m)
	sent := time.Now()
	result := r.charge(c)
	if result.Class != payment.ClassApproved {
		f := fail("a charge of " + m.String() + " was not approved: " + describe(result))
		return made{}, &f
	}
	done := r.record(c, result.TransactionID, sent)
	done.took = time.Since(sent)
	return done, nil
}

// shortLifetime is the declared lifetime of a key below which the run may outlast it.
const shortLifetime = 10 * time.Minute

// renewed is how many charges [run.recent] may make in each check.
func renewed(s Subject) int {
	if lifetime := s.Gateway.Capabilities().KeyLifetime; 0 < lifetime && lifetime < shortLifetime {
		return 1
	}
	return 0
}

// recent returns a charge that was approved and whose key is not old: the first one, or a new one.
func (r *run) recent() (made, *Finding) {
	if renewed(r.Subject) == 0 || time.Since(r.first.sent) < r.Gateway.Capabilities().KeyLifetime/2 {
		return r.first, nil
	}
	return r.approve(r.Approved)
}

// record keeps a charge that was approved, for the comparison with the gateway's list.
func (r *run) record(c payment.Charge, transactionID string, sent time.Time) made {
	m := made{charge: c, transactionID: transactionID, sent: sent}
	r.made = append(r.made, m)
	return m
}

// lookUp looks a charge up within the timeout.
func (r *run) lookUp(ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := context.WithTimeout(r.ctx, r.Timeout)
	defer cancel()
	return r.Gateway.LookUp(ctx, ref).Sanitized()
}

// cancel cancels a charge. The adapter may need two calls for it.
func (r *run) cancel(ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := context.WithTimeout(r.ctx, 2*r.Timeout)
	defer cancel()
	return r.Gateway.Cancel(ctx, ref).Sanitized()
}

// await looks a charge up until it is found, for as long as the gateway's lookups may lag, and the wait of
// the run.
func (r *run) await(ref payment.ChargeRef) payment.Lookup {
	deadline := time.Now().Add(r.Gateway.Capabilities().LookupLag + r.Wait)
	for {
		l := r.lookUp(ref)
		if l.Result != payment.FoundNothing && l.Result != payment.FoundProcessing {
			return l
		}
		if r.blind || time.Now().After(deadline) || !r.sleep(pollInterval) {
			r.blind = true // no later check waits again
			return l
		}
	}
}

// pollInterval is the time between two lookups of a charge.
const pollInterval = 100 * time.Millisecond

// sleep waits for d, and reports whether the run goes on.
func (r *run) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// describe describes the result of an attempt.
func describe(r payment.Result) string {
	switch r.Class {
	case payment.ClassApproved:
		return "approved as " + r.TransactionID
	case payment.ClassAuthorized:
		return "authorized as " + r.TransactionID
	case payment.ClassDeclined:
		return "declined with the code " + r.Code
	default:
	}
	return classNames[r.Class] + because(r.Message)
}

// classNames are what the classes say of an attempt.
var classNames = map[payment.Class]string{
	payment.ClassRejected:          "rejected as a wrong request",
	payment.ClassNotCharged:        "refused without a charge",
	payment.ClassUnknownAnswered:   "answered without an outcome",
	payment.ClassUnknownUnanswered: "not answered by the gateway itself",
	payment.ClassPending:           "pending",
	payment.ClassKeyReused:         "refused because the key was used before",
}

// describeLookup describes what a lookup found.
func describeLookup(l payment.Lookup) string {
	switch l.Result {
	case payment.FoundApproved:
		return "approved as " + l.TransactionID
	case payment.FoundAuthorized:
		return "authorized as " + l.TransactionID
	case payment.FoundDeclined:
		return "declined with the code " + l.Code
	default:
	}
	return lookupNames[l.Result] + because(l.Message)
}

var lookupNames = map[payment.LookupResult]string{
	payment.FoundProcessing: "being processed",
	payment.FoundPending:    "pending",
	payment.FoundVoided:     "cancelled or voided",
	payment.FoundReturned:   "refunded, and the money came back",
	payment.FoundNothing:    "unknown to the gateway",
	payment.FoundNoAnswer:   "not answered by the gateway itself, or not readable",
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}

// seconds formats a duration for a person.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
