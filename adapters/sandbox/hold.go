package sandbox

import (
	"context"
	"time"

	"paymentd/core/payment"
)

// defaultHoldFor is how long money is held by default, as for many cards.
const defaultHoldFor = 7 * 24 * time.Hour

// Codes of a capture or a void that its charge does not allow, which the service does not have.
const (
	codeDeclinedAlready = "already_declined"
	codeNotAuthorized   = "not_authorized"
	codeInProgress      = "in_progress"
)

// WithHoldFor sets how long the money of a charge that is to be captured later is held; by default seven days.
func WithHoldFor(d time.Duration) Option {
	return func(g *Gateway) { g.holdFor = d }
}

// refusal returns the code with which an operation that is to be decided is declined, because its charge does not
// allow it; empty if it does.
func (e *entry) refusal() string {
	switch e.charge.Operation.Kind {
	case payment.KindCapture:
		return e.captureRefusal()
	case payment.KindVoid:
		return e.voidRefusal()
	case payment.KindRefund:
		if e.exceedsCharge() {
			return payment.DeclineExceeds
		}
	case payment.KindCharge:
	}
	return ""
}

func (e *entry) captureRefusal() string {
	held := e.of.charge.Money
	switch {
	case e.of.status == statusSucceeded:
		return payment.DeclineSucceeded
	case e.of.status == statusVoided && e.of.code == payment.DeclineHoldExpired:
		return payment.DeclineHoldExpired
	case e.of.status == statusVoided:
		return payment.DeclineVoided
	case e.of.status != statusAuthorized:
		return codeNotAuthorized
	case e.of.claims > 0:
		return codeInProgress
	case e.charge.Money.Currency() != held.Currency(), e.charge.Money.Minor() > held.Minor():
		return payment.DeclineExceeds
	}
	return ""
}

// voidRefusal allows the void of a charge that is voided already, because it can take no money any more.
func (e *entry) voidRefusal() string {
	switch {
	case e.of.status == statusSucceeded:
		return payment.DeclineSucceeded
	case e.of.status == statusDeclined:
		return codeDeclinedAlready
	case e.of.claims > 0:
		return codeInProgress
	}
	return ""
}

// captures takes the money of the charge of a capture that succeeded.
func (e *entry) captures() {
	e.of.status, e.of.captured = statusSucceeded, e.charge.Money.Minor()
}

// voids ends the charge of a void that succeeded, unless it has ended before.
func (e *entry) voids() {
	if e.of.status != statusVoided {
		e.of.status, e.of.voidKey = statusVoided, e.charge.Key
		e.endsCharge = true
	}
}

// taken returns how much of the money was taken, in minor units.
func (e *entry) taken() int64 {
	switch {
	case e.status != statusSucceeded:
		return 0
	case e.captured > 0:
		return e.captured
	}
	return e.charge.Money.Minor()
}

// scheduleExpiry ends the hold of a charge when it is due. The caller holds g.mu.
func (g *Gateway) scheduleExpiry(e *entry) {
	if e.status != statusAuthorized {
		return
	}
	if g.expire(e) {
		return
	}
	time.AfterFunc(time.Until(e.expires), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if _, out := g.outOfOrder(); !out {
			g.expire(e)
		}
	})
}

// expire ends the hold of a charge that is due for it, unless a capture or a void is pending. It reports whether the
// hold has ended. The caller holds g.mu.
func (g *Gateway) expire(e *entry) bool {
	if e.status != statusAuthorized || e.claims > 0 || time.Now().Before(e.expires) {
		return e.status != statusAuthorized
	}
	g.endHold(e)
	return true
}

// endHold makes a charge one whose hold has expired. The caller holds g.mu.
func (g *Gateway) endHold(e *entry) {
	e.status, e.code = statusVoided, payment.DeclineHoldExpired
	g.storeDecision(e)
}

// ExpireHold ends the hold of a charge now. It reports whether the charge held money that no pending operation is
// about to take or release, and returns when that is synced.
func (g *Gateway) ExpireHold(ctx context.Context, charge payment.GatewayKey) bool {
	return g.change(ctx, slot{payment.KindCharge, charge}, func(e *entry) bool {
		if e.status != statusAuthorized || e.claims > 0 {
			return false
		}
		g.endHold(e)
		return true
	})
}

// texts are the messages of declines that depend on the charge.
var texts = map[string]string{
	payment.DeclineSucceeded:   "the charge has succeeded, and can be neither captured nor voided any more",
	payment.DeclineVoided:      "the charge was voided, and cannot be captured any more",
	payment.DeclineHoldExpired: "the authorization has expired, and cannot be captured any more",
	codeDeclinedAlready:        "the charge was declined, and there is nothing to void",
	codeNotAuthorized:          "the charge is not authorized, and cannot be captured",
	codeInProgress:             "a capture or a void of the charge is pending",
}
