package vendors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"paymentd/core/payment"
	"paymentd/ports"
)

// check compares the ledgers of the gateways, what is stored and what clients were answered. It returns an error if a
// guarantee is violated.
func (w *world) check(orders ...payment.OrderID) error {
	known := make(map[payment.GatewayKey]bool)
	for _, order := range orders {
		if err := w.checkOrder(order, known); err != nil {
			return fmt.Errorf("%s: %w", order, err)
		}
	}
	for _, key := range w.allKeys() {
		if all := w.ledgersOf([]payment.GatewayKey{key}); len(all) > 0 && !known[key] {
			return fmt.Errorf("%s has %+v, and no order has the key", key, all)
		}
	}
	return nil
}

func (w *world) checkOrder(order payment.OrderID, known map[payment.GatewayKey]bool) error {
	h, err := w.payments.History(context.Background(), order)
	if errors.Is(err, ports.ErrNotFound) {
		return w.checkReplies(payment.Payment{OrderID: order})
	}
	if err != nil {
		return err
	}
	keys := keysOf(h)
	for _, key := range keys {
		known[key] = true
	}
	if err := checkCharge(h.Payment, w.ledgersOf(keys)); err != nil {
		return err
	}
	if err := w.checkReplies(h.Payment); err != nil {
		return err
	}
	given := int64(0)
	for _, o := range h.Operations {
		if o.Payment.Operation.Kind == payment.KindRefund {
			n := w.refundsOf(keysOf(o))
			if succeeded := o.Payment.State == payment.StateSucceeded; n > 1 || succeeded != (n == 1) {
				return fmt.Errorf("refund %s is %s, and was made %d times", o.Payment.Operation.Name, o.Payment.State, n)
			}
			given += int64(n) * o.Payment.Money.Minor()
		}
		if !o.Payment.State.Final() {
			return fmt.Errorf("%s %s is %s", o.Payment.Operation.Kind, o.Payment.Operation.Name, o.Payment.State)
		}
		if err := w.checkReplies(o.Payment); err != nil {
			return err
		}
	}
	for _, l := range w.ledgersOf(keys) {
		if l.refunded != given {
			return fmt.Errorf("%d was given back, and the refunds have %d", l.refunded, given)
		}
	}
	return nil
}

// keysOf returns the gateway keys that an operation has had.
func keysOf(h ports.History) (keys []payment.GatewayKey) {
	keys = append(keys, h.Payment.GatewayKey)
	for _, a := range h.Attempts {
		keys = append(keys, a.GatewayKey)
	}
	for _, k := range h.Keys {
		keys = append(keys, k.Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// ledgersOf returns what the ledgers of all gateways have of these keys.
func (w *world) ledgersOf(keys []payment.GatewayKey) (all []ledger) {
	for _, h := range w.hosts {
		for _, key := range keys {
			all = append(all, h.charges(key)...)
		}
	}
	return all
}

func (w *world) refundsOf(keys []payment.GatewayKey) (n int) {
	for _, h := range w.hosts {
		for _, key := range keys {
			n += h.refunds(key)
		}
	}
	return n
}

// checkCharge compares a payment with all charges of its order.
func checkCharge(p payment.Payment, all []ledger) error {
	if len(all) > 1 {
		return fmt.Errorf("charged %d times: %+v", len(all), all)
	}
	if !ended(p.State) {
		return fmt.Errorf("the payment is %s, which is not final", p.State)
	}
	if len(all) == 0 {
		if p.State.Approved() {
			return fmt.Errorf("the payment is %s, and nothing was charged", p.State)
		}
		return nil
	}
	is := all[0]
	switch {
	case is.taken > p.Money.Minor():
		return fmt.Errorf("%d was taken of %v", is.taken, p.Money)
	case is.refunded > is.taken:
		return fmt.Errorf("%d was given back of %d", is.refunded, is.taken)
	case !p.State.Approved():
		return fmt.Errorf("the payment is %s, and the gateway has %+v", p.State, is)
	case is.transaction != p.TransactionID:
		return fmt.Errorf("the payment has the transaction %s, and the gateway has %+v", p.TransactionID, is)
	case is.held != (p.State == payment.StateAuthorized), is.taken > 0 && is.taken != p.Captured().Minor():
		return fmt.Errorf("the payment is %s with %v, and the gateway has %+v", p.State, p.Captured(), is)
	}
	return nil
}

// checkReplies checks that each final reply about an operation was true and, if it was the last, that it still is: what
// was in doubt was not reported as an end.
func (w *world) checkReplies(p payment.Payment) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	ref := payment.Ref{OrderID: p.OrderID, Operation: p.Operation}
	var last *reply
	for _, got := range w.replies {
		if got.OrderID != ref.OrderID || got.Operation != ref.Operation || got.err != nil || !ended(got.State) {
			continue
		}
		if got.State == payment.StateSucceeded && p.TransactionID != got.TransactionID {
			return fmt.Errorf("a client got the transaction %s, and %q is stored as %s", got.TransactionID, p.TransactionID, p.State)
		}
		last = &got
	}
	if last == nil || last.pending > 0 || last.asked != w.asked[ref] {
		return nil // another request may have begun a new round
	}
	if !last.holds(p.State) {
		return fmt.Errorf("the last client got %s, and the payment is %s", last.State, p.State)
	}
	return nil
}

// holds reports whether a reply agrees with the state at the end: a hold may have been captured or voided since.
func (a *reply) holds(end payment.State) bool {
	return a.State == end ||
		a.State == payment.StateAuthorized && (end == payment.StateSucceeded || end == payment.StateVoided)
}
