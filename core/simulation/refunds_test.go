package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/core/simulation/history"
	"paymentd/ports"
)

// refundNames are the refunds that clients ask for, of each order. The last one is always asked for without an
// amount: what is left.
var refundNames = []string{"r-1", "r-2", "r-3"}

func refundID(name string) payment.OperationID {
	return payment.OperationID{Kind: payment.KindRefund, Name: name}
}

// subjectOf names an operation in the audit and in the clients' history. Both treat a refund as an order of its own: it
// has attempts, proofs and an outcome as a charge has.
func subjectOf(id payment.OrderID, of payment.OperationID) payment.OrderID {
	if of.IsCharge() {
		return id
	}
	return id + " " + payment.OrderID(cmp.Or(of.Name, string(of.Kind)))
}

func subject(p payment.Payment) payment.OrderID { return subjectOf(p.OrderID, p.Operation) }

// orderOf is the inverse of subjectOf.
func orderOf(subject payment.OrderID) (payment.OrderID, payment.OperationID) {
	id, name, operation := strings.Cut(string(subject), " ")
	switch kind := payment.Kind(name); {
	case !operation:
		return subject, payment.OperationID{}
	case kind == payment.KindCapture || kind == payment.KindVoid:
		return payment.OrderID(id), payment.OperationID{Kind: kind}
	}
	return payment.OrderID(id), refundID(name)
}

// operations are what the gateways can do beside a charge.
func (set settings) operations() (o payment.Operations) {
	if set.refunds {
		o |= payment.OperationRefund
	}
	if set.holds {
		o |= payment.OperationCapture | payment.OperationVoid
	}
	return o
}

// refund asks for a refund of an order, a bounded number of times, until the answer is final.
func (c *client) refund(i int) {
	n := c.IntN(len(refundNames))
	request := core.Request{OrderID: orderID(i), Operation: refundID(refundNames[n]), Note: "simulated", Async: c.chance(0.2)}
	switch {
	case n == len(refundNames)-1:
	case c.chance(0.1): // more than was paid
		request.Money = usd("999.99")
	default: // the first is a part, and exceeds the whole together with the second
		request.Money = []payment.Money{usd("0.75"), amountOf(i)}[n]
	}
	if c.chance(0.2) {
		request.Wait = new(time.Duration)
	}
	for range 6 {
		switch c.post(request) {
		case history.Success, history.Mismatch:
			return
		case history.Declined, history.Failed:
			if c.chance(0.3) {
				return
			}
		}
		if !c.world.sleep(c.between(100*time.Millisecond, time.Minute)) {
			return
		}
		if c.chance(0.3) {
			c.getRefund(request.OrderID, request.Operation.Name)
		}
	}
}

// getRefund reads a refund.
func (c *client) getRefund(id payment.OrderID, name string) {
	r := c.connect()
	if r == nil || !c.world.refunds || name == refundNames[len(refundNames)-1] {
		return
	}
	of := subjectOf(id, refundID(name))
	op := history.Operation{Client: c.id, OrderID: string(of), Kind: history.Get, Call: c.world.tick()}
	c.exchange(r, 0, func(ctx context.Context) func() {
		h, err := r.History(ctx, id)
		if err == nil {
			h, err = refundIn(h, refundID(name))
		}
		return func() { c.world.recordRead(&op, h.Payment, err) }
	})
	c.world.note(op)
	c.world.trace.add(c.name(), of, "sees: %s %s", op.Response, op.TransactionID)
}

// refundIn returns the history of a refund of an order, or ports.ErrNotFound.
func refundIn(h ports.History, of payment.OperationID) (ports.History, error) {
	i := slices.IndexFunc(h.Operations, func(o ports.History) bool { return o.Payment.Operation == of })
	if i < 0 {
		return ports.History{}, ports.ErrNotFound
	}
	return h.Operations[i], nil
}

// refusedOperation records the answer to an operation that was not accepted, and reports whether it was one.
func (w *world) refusedOperation(op *history.Operation, kind payment.Kind, err error) bool {
	switch {
	case errors.As(err, new(*payment.OperationRefusedError)):
		w.count(string(kind) + "s: refused by the state or the amount")
	case errors.Is(err, payment.ErrChargeOpen):
		w.count(string(kind) + "s: the payment is in doubt")
	case errors.Is(err, ports.ErrNotFound):
	case errors.Is(err, core.ErrForeignGateway):
		op.Response = history.Nothing // it may be stored
		return true
	default:
		return false
	}
	op.Response = history.Unavailable
	return true
}

func (w *world) count(what string) {
	w.audit.mu.Lock()
	defer w.audit.mu.Unlock()
	w.audit.cover(what)
}

// returnRefunds is banks that send the money of some refunds back. The gateways report it, often several times or
// before the service has the answer, and until the service knows.
func (w *world) returnRefunds() {
	if !w.refunds {
		return
	}
	s := w.stream("returns")
	for n := 1; w.sleep(s.about(time.Minute)); n++ {
		for _, b := range w.audit.banks {
			for _, r := range b.Refunded() {
				if !r.Returned && w.faultsActive() && w.stream("returned", r.Key, n).chance(0.1) {
					b.Return(r.Key)
					w.count("refunds: returned by the bank")
				}
				of := subjectOf(r.OrderID, r.Operation)
				w.reportRefund(s, b.id, r, w.audit.code(of) == payment.CodeRefundReturned)
			}
		}
		select {
		case <-w.over:
			return
		default:
		}
	}
}

// reportRefund sends the event of a refund that was returned, unless the service knows; and sometimes a wrong event,
// of any refund.
func (w *world) reportRefund(s stream, gateway payment.GatewayID, r fake.Refunded, known bool) {
	says, times := payment.FoundReturned, one(s, 1, 1, 2)
	switch {
	case r.Returned && !known:
	case w.faultsActive() && s.chance(0.1):
		says = one(s, payment.FoundApproved, payment.FoundDeclined, payment.FoundPending, payment.FoundReturned)
	default:
		return
	}
	for range times {
		w.sendEvent(s, core.GatewayEvent{
			ID: "refund-event", Kind: "refund." + string(says), Operation: payment.KindRefund, Gateway: gateway,
			OrderID: r.OrderID, Key: r.Key, Says: says,
		})
	}
}

func (a *audit) code(id payment.OrderID) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record(id).payment.Code
}

// resolveRefund is an operator's resolution of a refund, which may be wrong.
func (w *world) resolveRefund(s stream, p payment.Payment) {
	books := w.audit.taken(subject(p))
	switch {
	case len(books) > 0 && s.chance(0.7):
		w.resolve(p, payment.Outcome{State: payment.StateSucceeded, TransactionID: books[0].TransactionID}, s.chance(0.2))
	default:
		w.resolve(p, payment.Outcome{State: payment.StateFailed, Reason: "the bank says so"}, s.chance(0.2))
	}
}

// historyOf returns what is stored of a subject.
func (a *audit) historyOf(of payment.OrderID) (ports.History, error) {
	id, operation := orderOf(of)
	h, err := a.store.History(context.Background(), id)
	if err == nil && !operation.IsCharge() {
		return refundIn(h, operation)
	}
	return h, err
}

// inspectOperations inspects the operations of an order other than its charge.
func (a *audit) inspectOperations(id payment.OrderID) {
	for _, of := range operationIDs() {
		a.inspect(subjectOf(id, of))
	}
}

// moved returns the money that an operation other than a charge gave back, took or released.
func (a *audit) moved(of payment.OrderID) (all []taken) {
	for _, b := range a.banks {
		all = append(all, b.endedHolds(of)...)
		for _, r := range b.Refunded() {
			if subjectOf(r.OrderID, r.Operation) == of {
				t := fake.Taken{Charge: r.Charge, TransactionID: b.transaction(r.TransactionID), At: r.At}
				all = append(all, taken{Taken: t, gateway: b.id, returned: r.Returned})
			}
		}
	}
	return all
}

// checkReservation checks that an order reserves exactly what its refunds have given back or may give back, that
// this covers what the gateways have given back, and that it is never more than was taken.
func (a *audit) checkReservation(id payment.OrderID) {
	if !a.world.refunds && !a.world.holds {
		return
	}
	h, err := a.store.History(context.Background(), id)
	if err != nil {
		return
	}
	var reserved, given int64
	for _, o := range h.Operations {
		if reserves(o.Payment) && o.Payment.Operation.Kind == payment.KindRefund {
			reserved += o.Payment.Money.Minor()
		}
		for _, t := range a.moved(subject(o.Payment)) {
			if o.Payment.Operation.Kind == payment.KindRefund && !t.returned {
				given += t.Money.Minor()
			}
		}
	}
	is := h.Payment
	if is.RefundReserved != reserved {
		a.world.report(id, "%d is reserved, and the refunds reserve %d", is.RefundReserved, reserved)
	}
	a.checkHold(h)
	if a.misledOperations(id) {
		return
	}
	if given > reserved {
		a.world.report(id, "%d was given back, and %d is reserved", given, reserved)
	}
	if reserved > is.Captured().Minor() {
		a.world.report(id, "%d is reserved of %v", reserved, is.Captured())
	}
}

// reserves is the rule: only a refund that provably moved no money reserves none.
func reserves(p payment.Payment) bool {
	return p.State != payment.StateDeclined && p.State != payment.StateFailed || p.Doubt.Any()
}

// misledOperations reports whether an operator was wrong about the order or one of its operations, so that more may
// be asked for than is left.
func (a *audit) misledOperations(id payment.OrderID) bool {
	for _, of := range operationIDs() {
		if d := a.orders[subjectOf(id, of)]; d != nil && d.misled {
			return true
		}
	}
	return a.record(id).misled
}

// checkReturned checks that the gateway has said that the money came back, and closes the key.
func (a *audit) checkReturned(k *keyLog, is payment.Payment) {
	if !slices.ContainsFunc(k.looks, func(l look) bool { return l.Result == payment.FoundReturned }) {
		a.world.report(is.OrderID, "%s is returned, and no lookup of %s has found that", is.Operation, is.GatewayKey)
	}
	k.saved = true
	k.close(time.Now())
}

// recorded reports whether the money that moved is on record: of a refund that came back, the return.
func (a *audit) recorded(d *orderRecord, t taken) bool {
	if !t.released.IsZero() {
		return true // the gateway released the money before the service knew that it was held, or has recorded it
	}
	if t.returned {
		return d.payment.Code == payment.CodeRefundReturned || a.misledOperations(t.OrderID)
	}
	return onRecord(d.payment, t.TransactionID)
}

// coverOperation counts the states of operations other than charges, and of holds.
func (a *audit) coverOperation(is payment.Payment) {
	if is.Operation.IsCharge() && is.Capture == payment.CaptureManual {
		a.cover("holds: " + string(is.State))
	}
	if !is.Operation.IsCharge() {
		what := fmt.Sprintf("%ss: %s", is.Operation.Kind, is.State)
		if is.Code == payment.CodeRefundReturned {
			what = "refunds: found returned"
		}
		a.cover(what)
	}
}
