package fake

import (
	"context"
	"slices"
	"sync"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Wire is between one service and its ports. It records each call, in one order for both ports, and injects
// the test's faults. Its zero value injects none.
//
// Each replica that is to fail on its own gets its own wire; all wires may share one [Payments] and one
// [Gateway].
type Wire struct {
	// Fault returns the fault to inject into a call; nil for none. It is called for one call at a time,
	// and must be set before the first.
	Fault func(Call) Fault

	mu    sync.Mutex
	calls []Call
}

// Call is one call through a port.
type Call struct {
	Number int    // counts the wire's calls from 1
	Method string // the port's: "Claim", "Charge", ...
	// OrderID is empty if the call is not about one order: ClaimDue, LookUp.
	OrderID payment.OrderID
	Key     payment.GatewayKey // of Charge and LookUp
	Writes  bool               // whether the call can change what is stored
	At      time.Time
}

// Payments returns the repository behind the wire.
func (w *Wire) Payments(p ports.Payments) ports.Payments { return wiredPayments{w, p} }

// Gateway returns the gateway behind the wire. A fault's error becomes a result without an answer.
func (w *Wire) Gateway(g ports.Gateway) ports.Gateway { return wiredGateway{w, g} }

// Calls returns the calls so far, in order.
func (w *Wire) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// record records a call and returns its fault.
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

// call makes a call over the wire. If a fault hides the answer, it returns the zero value of T instead.
func call[T any](ctx context.Context, w *Wire, c Call, do func() (T, error)) (answer T, err error) {
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
