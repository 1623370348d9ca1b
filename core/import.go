package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Import writes a charge or another operation from the gateway's books, so that it is never made again. It
// returns false if it is stored already. The errors are *payment.FieldError and *payment.ImportRefusedError. After
// ports.ErrUnavailable and ports.ErrInDoubt, the import is safe to repeat.
func Import(ctx context.Context, payments ports.Payments, i payment.Import) (bool, error) {
	if err := i.Check(); err != nil {
		return false, err
	}
	if !i.Operation.IsCharge() {
		h, err := payments.History(ctx, i.OrderID)
		if err != nil && !errors.Is(err, ports.ErrNotFound) {
			return false, err
		}
		if i, err = identifyOperation(i, h); err != nil {
			return false, err
		}
	}
	verdict, err := payments.Import(ctx, i)
	if err != nil {
		return false, err
	}
	return verdict == payment.VerdictWritten, nil
}

// identifyOperation returns the import with the name of its operation, which is the stored one that has the gateway key
// if the gateway's records do not name it. The error is a *payment.ImportRefusedError. Each key and transaction is that
// of one operation. Keys do not change their operation, so that h may be older than the import.
func identifyOperation(i payment.Import, h ports.History) (payment.Import, error) {
	if h.Payment.OrderID == "" {
		return i, &payment.ImportRefusedError{Why: fmt.Sprintf("the order has no payment here, so that it cannot have a %s; import its charge as well", i.Operation.Kind)}
	}
	for _, o := range h.Operations {
		of := o.Payment.Operation
		if of.Kind != i.Operation.Kind {
			continue
		}
		switch {
		case o.HasKey(i.Key) && i.Operation.Name == "":
			i.Operation = of
		case of == i.Operation:
		case o.HasKey(i.Key):
			return i, &payment.ImportRefusedError{Why: fmt.Sprintf("its gateway key is that of the %s here; compare both with the gateway", of)}
		case o.Payment.TransactionID == i.TransactionID:
			return i, &payment.ImportRefusedError{Why: fmt.Sprintf("its transaction is that of the %s here; compare both with the gateway", of)}
		}
	}
	if i.Operation.Kind == payment.KindRefund && i.Operation.Name == "" {
		return i, &payment.ImportRefusedError{Why: "its refund_id is not known here, so that a repeat would be a second refund; " +
			"add the refund_id with which it was requested to the line"}
	}
	return i, nil
}

// HasKey reports whether the order has sent the gateway key for the operation, so that its outcome is looked up.
func HasKey(ctx context.Context, payments ports.Payments, i payment.Import) (bool, error) {
	h, err := payments.History(ctx, i.OrderID)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case i.Operation.IsCharge():
		return h.HasKey(i.Key), nil
	}
	return slices.ContainsFunc(h.Operations, func(o ports.History) bool {
		return o.Payment.Operation.Kind == i.Operation.Kind && o.HasKey(i.Key)
	}), nil
}

// Rehearsal returns what imports would do, including the effect of the earlier ones, and writes nothing.
type Rehearsal struct {
	payments ports.Payments
	orders   map[payment.OrderID]ports.History // those that the imports would have changed
}

// NewRehearsal returns a rehearsal of imports into payments.
func NewRehearsal(payments ports.Payments) *Rehearsal {
	return &Rehearsal{payments: payments, orders: make(map[payment.OrderID]ports.History)}
}

// Import returns what [Import] would return.
func (r *Rehearsal) Import(ctx context.Context, i payment.Import) (bool, error) {
	if err := i.Check(); err != nil {
		return false, err
	}
	if i.Operation.IsCharge() {
		return r.importCharge(ctx, i)
	}
	return r.importOperation(ctx, i)
}

func (r *Rehearsal) importCharge(ctx context.Context, i payment.Import) (bool, error) {
	now := time.Now()
	h, changed := r.orders[i.OrderID]
	if !changed {
		p, err := r.payments.Find(ctx, i.OrderID)
		switch {
		case errors.Is(err, ports.ErrNotFound):
			p = i.Open(now)
		case err != nil:
			return false, err
		}
		h.Payment = p
	}
	d, err := i.Apply(h.Payment, now)
	if err == nil && d.Write {
		h.Payment = d.Payment
		r.orders[i.OrderID] = h
	}
	return d.Write, err
}

func (r *Rehearsal) importOperation(ctx context.Context, i payment.Import) (bool, error) {
	h, err := r.payments.History(ctx, i.OrderID)
	if err != nil && !errors.Is(err, ports.ErrNotFound) {
		return false, err
	}
	if changed, found := r.orders[i.OrderID]; found {
		stored := h.Operations
		h = changed
		h.Operations = slices.Concat(changed.Operations, stored) // the first one counts
	}
	h.Payment.Keys = h.Keys
	if i, err = identifyOperation(i, h); err != nil {
		return false, err
	}
	var stored *payment.Payment
	at := slices.IndexFunc(h.Operations, func(o ports.History) bool { return o.Payment.Operation == i.Operation })
	if at >= 0 {
		stored = &h.Operations[at].Payment
	}
	d, err := i.ApplyOperation(h.Payment, stored, time.Now())
	if err != nil || !d.Write {
		return false, err
	}
	if d.Charge != nil {
		h.Payment = *d.Charge
	}
	o := ports.History{Payment: d.Payment}
	if at >= 0 {
		o = h.Operations[at]
		o.Payment = d.Payment
	}
	h.Operations = slices.Concat([]ports.History{o}, r.orders[i.OrderID].Operations)
	r.orders[i.OrderID] = h
	return true, nil
}
