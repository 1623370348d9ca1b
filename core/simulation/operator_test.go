package simulation

import (
	"context"
	"errors"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/core/simulation/history"
	"paymentd/ports"
)

// runOperator resolves and imports payments now and then. Successes match the gateway's ledger;
// "not charged" may be wrong.
func (w *world) runOperator() {
	if w.persons == 0 {
		return
	}
	s := w.stream("person")
	for w.faultsActive() && w.sleep(s.about(w.persons)) {
		id := orderID(s.IntN(w.orders))
		h, err := w.audit.store.History(context.Background(), id)
		if err != nil {
			continue
		}
		if len(h.Operations) > 0 && s.chance(0.5) {
			w.resolveRefund(s, one(s, h.Operations...).Payment)
			continue
		}
		books := w.audit.taken(id)
		how := s.IntN(4)
		if h.Payment.Capture == payment.CaptureManual {
			how = 0 // an operator can only say that nothing was held
		}
		switch {
		case how == 0:
			w.resolve(h.Payment, payment.Outcome{State: payment.StateFailed, Reason: "the bank says so"}, s.chance(0.2))
		case how == 1 && len(books) > 0:
			w.resolve(h.Payment, payment.Outcome{
				State: payment.StateSucceeded, TransactionID: books[0].TransactionID,
			}, s.chance(0.2))
		case how == 2 && len(books) > 0:
			w.importCharge(one(s, books...), s.chance(0.2))
		case how == 3 && s.chance(0.3):
			// A charge of a time that a restored backup does not have.
			lost := taken{gateway: mainGateway}
			lost.OrderID, lost.Money = id, amountOf(s.IntN(w.orders))
			lost.Money = h.Payment.Money
			lost.Key, lost.TransactionID = payment.GatewayKey("lost-"+string(id)), "lost-"+string(id)
			w.importCharge(lost, s.chance(0.2))
		}
	}
}

// resolve is an operator's resolution of a payment.
func (w *world) resolve(p payment.Payment, o payment.Outcome, inFlight bool) {
	a := w.audit
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.record(subject(p))
	before := d.payment
	k := d.log(before.GatewayKey)
	if o.State == payment.StateFailed {
		k.wordAt = time.Now()
	}
	err := core.Resolve(context.Background(), a.store, payment.Resolution{
		OrderID: p.OrderID, Operation: p.Operation, Outcome: o, By: "person", Rules: w.rules(mainGateway), Worker: time.Now(), InFlight: inFlight,
	})
	w.trace.add("operator", p.OrderID, "resolves as %s %s, in flight %t: %v", o.State, o.TransactionID, inFlight, err)
	if err != nil {
		k.wordAt = time.Time{}
		return
	}
	if before.State == payment.StateProcessing && !inFlight {
		w.report(p.OrderID, "resolved in flight, and the operator has not named it")
	}
	if o.State == payment.StateFailed && len(k.unknown()) > 0 || before.State == payment.StateProcessing {
		d.misled = true // a word that no proof is behind
	}
	a.cover("operators resolve to " + string(o.State))
	if !p.Operation.IsCharge() {
		a.cover("operators resolve refunds")
	}
	a.inspect(subject(p))
}

// importCharge imports a charge from the gateway's ledger.
func (w *world) importCharge(t taken, overwrite bool) {
	a := w.audit
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.record(t.OrderID)
	before := d.payment
	open := before.GatewayKey != t.Key && before.State != payment.StateSucceeded && len(d.log(before.GatewayKey).unknown()) > 0
	lost := !a.knows(t)
	v, err := auditedPayments{a.store, a}.Import(context.Background(), payment.Import{
		Charge: t.Charge, Gateway: t.gateway, TransactionID: t.TransactionID, By: "person",
		Rules: w.rules(t.gateway), Worker: time.Now(), Overwrite: overwrite,
	})
	w.trace.add("operator", t.OrderID, "imports %s of %s, overwrite %t: %s, %v", t.TransactionID, t.Key, overwrite, v, err)
	refused := new(payment.ImportRefusedError)
	switch {
	case errors.As(err, &refused):
		a.cover("imports refused")
		return
	case err != nil:
		w.report(t.OrderID, "import: %v", err)
		return
	case open && !overwrite:
		w.report(t.OrderID, "an import has overwritten %s, which may have charged", before.GatewayKey)
	}
	if v == payment.VerdictWritten {
		a.cover("imports")
		d.misled = d.misled || lost || open
	}
	a.inspect(t.OrderID)
}

// knows reports whether a gateway's ledger has the charge.
func (a *audit) knows(t taken) bool {
	for _, known := range a.taken(t.OrderID) {
		if known.TransactionID == t.TransactionID {
			return true
		}
	}
	return false
}

// operatorOperations returns the history of the orders that no operator and no charge found later has
// changed independently of the clients.
func (w *world) operatorOperations() (ops []history.Operation) {
	loud := make(map[string]bool)
	for id, d := range w.audit.orders {
		for _, e := range d.events {
			switch e.Kind {
			case payment.EventEvidence, payment.EventImported, payment.EventResolved, payment.EventDouble, payment.EventReturned:
				loud[string(id)] = true
			}
		}
	}
	for _, op := range w.history {
		if !loud[op.OrderID] {
			ops = append(ops, op)
		}
	}
	return ops
}

// skewedPayments is the database as seen by a replica whose own clock is off: it shifts the times that
// the replica stores and those that other replicas have stored.
type skewedPayments struct {
	ports.Payments

	skews skews
}

// skews are the offsets of a clock, each from some time on.
type skews []skew

type skew struct {
	from time.Time
	by   time.Duration
}

func (w *world) skews(name string) (all skews) {
	s, end := w.stream("skew", name), w.began.Add(w.faultPeriod)
	for at := time.Now(); ; at = at.Add(s.about(3 * time.Minute)) {
		all = append(all, skew{at, time.Duration((2*s.Float64() - 1) * float64(w.skew))})
		if at.After(end) || s.chance(0.3) {
			return all
		}
	}
}

func (all skews) at(t time.Time) (by time.Duration) {
	for _, s := range all {
		if !t.Before(s.from) {
			by = s.by
		}
	}
	return by
}

// shown is a moment as this clock shows it.
func (all skews) shown(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(all.at(t))
}

// seen shifts a stored moment for the core of this replica, whose real clock is right, so that the
// difference equals that of a clock which is off.
func (all skews) seen(i payment.Instant) payment.Instant {
	if !i.Worker.IsZero() {
		i.Worker = i.Worker.Add(-all.at(time.Now()))
	}
	return i
}

func (all skews) payment(p payment.Payment) payment.Payment {
	p.KeySent = all.seen(p.KeySent)
	p.Doubt.Unanswered, p.Doubt.Latest = all.seen(p.Doubt.Unanswered), all.seen(p.Doubt.Latest)
	return p
}

func (p skewedPayments) Claim(ctx context.Context, ask payment.ClaimRequest) (*payment.Payment, payment.Verdict, error) {
	ask.Worker = p.skews.shown(ask.Worker)
	is, v, err := p.Payments.Claim(ctx, ask)
	if err == nil {
		*is = p.skews.payment(*is)
	}
	return is, v, err
}

func (p skewedPayments) ClaimDue(ctx context.Context, terms payment.PickUpPolicy, limit int) ([]payment.Decision, error) {
	terms.Worker = p.skews.shown(terms.Worker)
	due, err := p.Payments.ClaimDue(ctx, terms, limit)
	for i := range due {
		due[i].Payment = p.skews.payment(due[i].Payment)
	}
	return due, err
}

func (p skewedPayments) Renew(ctx context.Context, r payment.Renewal) error {
	r.Worker = p.skews.shown(r.Worker)
	return p.Payments.Renew(ctx, r)
}

func (p skewedPayments) Settle(ctx context.Context, s payment.Settlement) error {
	s.Worker = p.skews.shown(s.Worker)
	return p.Payments.Settle(ctx, s)
}

func (p skewedPayments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	r.Sent.Worker, r.Worker = p.skews.shown(r.Sent.Worker), p.skews.shown(r.Worker)
	is, v, err := p.Payments.RecordLookup(ctx, r)
	return p.skews.payment(is), v, err
}

func (p skewedPayments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	a.Worker = p.skews.shown(a.Worker)
	is, v, err := p.Payments.RecordApproval(ctx, a)
	return p.skews.payment(is), v, err
}

func (p skewedPayments) FindOperation(ctx context.Context, ref payment.Ref) (payment.Payment, error) {
	is, err := p.Payments.FindOperation(ctx, ref)
	return p.skews.payment(is), err
}

func (p skewedPayments) Find(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	is, err := p.Payments.Find(ctx, id)
	return p.skews.payment(is), err
}
