package core_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

func captureAsk(final ...payment.State) ask { return ask{of: captureID, amount: "60.00", final: final} }

func voidAsk(final ...payment.State) ask { return ask{of: voidID, final: final} }

// captureOrVoid are asked for at once: the one that comes second may be refused.
func captureOrVoid(final ...payment.State) []ask {
	c, v := captureAsk(final...), voidAsk(final...)
	c.refused, v.refused = true, true
	return []ask{c, v}
}

var holdScenarios = slices.Concat(
	scenariosOf(captureAsk, "capture"), scenariosOf(voidAsk, "void"), sharedHolds(true), sharedHolds(false), holdsThatEnd,
)

// scenariosOf are those of one operation that is alone.
func scenariosOf(of func(...payment.State) ask, kind string) []refundScenario {
	one := func(name string, sc scenario, final ...payment.State) refundScenario {
		sc.name = kind + " " + name
		return refundScenario{scenario: sc, hold: true, asks: []ask{of(final...)}}
	}
	return []refundScenario{
		one("approved", scenario{then: fake.Approve()}, payment.StateSucceeded),
		one("declined", scenario{then: fake.Decline("card_declined")}, payment.StateDeclined),
		one("transient, then approved", scenario{script: steps(1, fake.Refuse()), then: fake.Approve()}, payment.StateSucceeded),
		one("unknown, then approved", scenario{script: steps(1, fake.Timeout()), then: fake.Approve()}, payment.StateSucceeded),
		one("exhausted, moved", scenario{script: steps(1, fake.LoseAnswer()), then: fake.Timeout()}, payment.StateSucceeded),
		one("exhausted, moved late", scenario{
			script: append(steps(3, fake.Timeout()), fake.ChargeLate(4*time.Second)), then: fake.Timeout(),
		}, payment.StateSucceeded, payment.StateFailed),
		one("exhausted, not moved", scenario{then: fake.Refuse()}, payment.StateFailed),
		one("exhausted, unknown", scenario{then: fake.Timeout()}, payment.StateFailed),
		one("exhausted, unreachable", scenario{
			script: steps(1, fake.LoseAnswer()), then: fake.Timeout(), unreachable: true,
		}, payment.StateUnresolved),
		one("moved, repeat declined", scenario{
			script: steps(1, fake.LoseAnswer()), then: fake.DeclineAttempt(payment.DeclineSucceeded),
		}, payment.StateSucceeded),
		one("pending, then approved", scenario{then: fake.Pending(), decides: new(fake.Approve())}, payment.StateSucceeded),
		one("pending, then declined", scenario{
			then: fake.Pending(), decides: new(fake.Decline("card_declined")),
		}, payment.StateDeclined),
		one("stopped in backoff", scenario{
			script: []fake.Step{fake.Refuse(), fake.LoseAnswer()}, then: fake.Approve(), stop: 500 * time.Millisecond,
		}, payment.StateSucceeded),
	}
}

// sharedHolds are captures and voids of one payment at once.
func sharedHolds(captureFirst bool) []refundScenario {
	one := func(name string, sc scenario, final ...payment.State) refundScenario {
		sc.name = "capture and void, " + name
		asks := captureOrVoid(final...)
		if !captureFirst {
			sc.name = "void and capture, " + name
			slices.Reverse(asks)
		}
		return refundScenario{scenario: sc, hold: true, asks: asks}
	}
	return []refundScenario{
		one("approved", scenario{then: fake.Slow(soon, fake.Approve())}, payment.StateSucceeded),
		one("moved and unknown", scenario{
			script: steps(1, fake.Slow(soon, fake.LoseAnswer())), then: fake.Timeout(),
		}, payment.StateSucceeded, payment.StateFailed),
		one("unknown and not moved", scenario{then: fake.Slow(soon, fake.Timeout())}, payment.StateFailed),
		one("first declined", scenario{
			script: steps(1, fake.Slow(soon, fake.Decline("card_declined"))), then: fake.Approve(),
		}, payment.StateSucceeded, payment.StateDeclined),
	}
}

var holdsThatEnd = []refundScenario{
	{
		scenario: scenario{name: "capture, then refunds of it", then: fake.Slow(soon/200, fake.Approve())}, hold: true,
		asks: []ask{
			captureAsk(payment.StateSucceeded),
			{of: refundID("r-1"), amount: "40.00", final: oneOf(payment.StateSucceeded), refused: true},
			{of: refundID("r-2"), amount: "40.00", final: oneOf(payment.StateSucceeded), refused: true},
		},
	},
	{
		scenario: scenario{name: "capture moved and unknown, the hold expires", script: steps(1, fake.LoseAnswer()), then: fake.Timeout()},
		hold:     true, expires: true, asks: []ask{captureAsk(payment.StateSucceeded)},
	},
	{
		scenario: scenario{name: "capture unknown and not moved, the hold expires", then: fake.Timeout()},
		hold:     true, expires: true, asks: []ask{captureAsk(payment.StateFailed, payment.StateDeclined)},
	},
}

// TestEveryCrashPoint_Holds is [TestEveryCrashPoint] for captures and voids, alone and in pairs that share a payment.
func TestEveryCrashPoint_Holds(t *testing.T) {
	t.Parallel()
	var all []proof
	for _, sc := range holdScenarios {
		for _, mode := range clientModes {
			all = append(all, proof{sc.name + ", " + string(mode), sc.single(), sc.stride(), func(t *testing.T, i ...injection) *run {
				return runRefunds(t, sc, mode, i...)
			}})
		}
	}
	injectEverywhereIn(t, all)
}

// observeHold checks, before a call, that at most one operation may have ended the hold, that the payment says which,
// and that the gateway has not taken what the payment does not reserve for a capture.
func (r *refundRun) observeHold(h ports.History) error {
	var claims []payment.Kind
	var captured payment.Payment
	for _, o := range h.Operations {
		if o.Payment.Operation.Kind != payment.KindRefund && reserves(o.Payment) {
			claims = append(claims, o.Payment.Operation.Kind)
		}
		if o.Payment.Operation == captureID {
			captured = o.Payment
		}
	}
	is := h.Payment
	claimed := payment.KindCharge
	if len(claims) > 0 && is.State == payment.StateAuthorized {
		claimed = claims[0]
	}
	switch {
	case len(claims) > 1:
		return fmt.Errorf("before call %d, %v may each end the hold", len(r.calls)+1, claims)
	case is.HoldClaimedBy != claimed:
		return fmt.Errorf("before call %d, the hold is claimed by %q, and the operations are %v", len(r.calls)+1, is.HoldClaimedBy, claims)
	}
	return r.observeCaptured(is, claims, captured)
}

// observeCaptured checks what the gateway has captured against the payment and its capture.
func (r *refundRun) observeCaptured(is payment.Payment, claims []payment.Kind, captured payment.Payment) error {
	switch took := r.gateway.CapturedOf(is.GatewayKey); {
	case took > 0 && !slices.Contains(claims, payment.KindCapture):
		return fmt.Errorf("before call %d, %d was captured, and no capture is recorded that may have", len(r.calls)+1, took)
	case took > 0 && took != captured.Money.Minor():
		return fmt.Errorf("before call %d, %d was captured instead of %v", len(r.calls)+1, took, captured.Money)
	case is.State == payment.StateSucceeded && took == 0 || is.State == payment.StateVoided && took > 0:
		return fmt.Errorf("before call %d, the payment is %s, and %d was captured", len(r.calls)+1, is.State, took)
	}
	return nil
}

// checkHold checks the payment against what the gateway did with its hold.
func (r *refundRun) checkHold() error {
	if !r.scenario.hold {
		return nil
	}
	is, hold := r.stored(), r.gateway.Held()[0]
	switch {
	case r.scenario.unreachable:
	case hold.Captured > 0 && (is.State != payment.StateSucceeded || is.CapturedMinor != hold.Captured):
		return fmt.Errorf("%d was captured, and the payment is %s with %d", hold.Captured, is.State, is.CapturedMinor)
	case len(r.gateway.Voided()) > 0 && is.State != payment.StateVoided:
		return fmt.Errorf("it was voided, and the payment is %s", is.State)
	case hold.EndedAt.IsZero() && is.State != payment.StateAuthorized:
		return fmt.Errorf("the money is held, and the payment is %s", is.State)
	}
	return nil
}

// movement is what the gateway did for an operation.
type movement struct {
	money         payment.Money
	transactionID string
	returned      bool // the money came back
}

// moved returns what the gateway did for an operation: more than one movement is a double.
func (r *refundRun) moved(of payment.OperationID) (all []movement) {
	for _, m := range r.gateway.Refunded() {
		if m.Operation == of {
			all = append(all, movement{m.Money, m.TransactionID, m.Returned})
		}
	}
	for _, m := range r.gateway.Captured() {
		if m.Operation == of {
			all = append(all, movement{m.Money, m.TransactionID, false})
		}
	}
	for _, m := range r.gateway.Voided() {
		if m.Operation == of {
			all = append(all, movement{m.Money, m.TransactionID, false})
		}
	}
	return all
}
