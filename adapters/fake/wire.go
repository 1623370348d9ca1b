package fake

import (
	"context"
	"slices"
	"sync"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Wire lies between one service and its ports. It records each call, in one order over
// both ports, and lets the test's faults happen to it. Its zero value passes every call on.
//
// A replica that is to fail by itself gets a wire of its own; all of them may end at one
// [Payments] and one [Gateway].
type Wire struct {
	// Fault says what happens to a call; nil for nothing. It is asked about one call at a
	// time, and must be set before the first.
	Fault func(Call) Fault

	mu    sync.Mutex
	calls []Call
}

// Call is one call through a port.
type Call struct {
	Number int    // counts the wire's calls from 1
	Method string // the port's: "Claim", "Charge", ...
	// OrderID is empty where the call is not about one order: ClaimDue, LookUp.
	OrderID payment.OrderID
	Key     payment.GatewayKey // of Charge and LookUp
	Writes  bool               // whether the call can change what is stored
	At      time.Time
}

// Payments returns the repository as seen through the wire.
func (w *Wire) Payments(p ports.Payments) ports.Payments { return wiredPayments{w, p} }

// Gateway returns the gateway as seen through the wire. A fault's error becomes a result
// there: nobody saw an answer.
func (w *Wire) Gateway(g ports.Gateway) ports.Gateway { return wiredGateway{w, g} }

// Calls returns the calls so far, in order.
func (w *Wire) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// record notes a call and asks what happens to it.
func (w *Wire) record(c Call) Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.Number, c.At = len(w.calls)+1, time.Now()
	w.calls = append(w.calls, c)
	if w.Fault == nil {
		return nil
	}
	return w.Fault(c)
}

// carry makes a call over the wire. Where a fault hides the answer, the zero value of T
// comes in its place.
func carry[T any](ctx context.Context, w *Wire, c Call, do func() (T, error)) (answer T, err error) {
	fault := w.record(c)
	if fault == nil {
		return do()
	}
	hidden := fault(ctx, c, func() { answer, err = do() })
	if hidden != nil {
		var none T
		return none, hidden
	}
	return answer, err
}
