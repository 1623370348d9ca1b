package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// auditedPayments is the database; the audit checks each change.
type auditedPayments struct {
	*fake.Payments

	audit *audit
}

func (p auditedPayments) Claim(
	ctx context.Context, ask payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	was := p.audit.record(subjectOf(ask.OrderID, ask.Operation)).payment.State
	ask.Worker = p.audit.fresh(ask.Worker)
	is, verdict, err := p.Payments.Claim(ctx, ask)
	if err == nil {
		if verdict == payment.VerdictClaimed {
			p.audit.granted(ask.Replica, *is, ask.Lease)
		}
		if d := p.audit.record(subjectOf(ask.OrderID, ask.Operation)); verdict == payment.VerdictBusy && p.audit.free(d) {
			p.audit.world.report(ask.OrderID, "%s got busy, and the lease is over", ask.Replica)
		}
		if verdict == payment.VerdictClaimed && was.Final() && p.audit.waits[requestNumber(ctx)].fenced {
			p.audit.world.report(ask.OrderID, "request %d lost its claim, did not wait for the end, which was %s, and began another round",
				requestNumber(ctx), was)
		}
		p.audit.inspect(subjectOf(ask.OrderID, ask.Operation))
	}
	return is, verdict, err
}

func (p auditedPayments) ClaimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	terms.Worker = p.audit.fresh(terms.Worker)
	due, err := p.Payments.ClaimDue(ctx, terms, limit)
	for _, d := range due {
		if d.LookUp != "" {
			p.audit.cover("keys looked up again")
		}
		switch d.Verdict {
		case payment.VerdictClaimed:
			p.audit.granted(terms.Replica, d.Payment, terms.Lease)
		case payment.VerdictQuarantined:
			p.audit.cover("payments quarantined")
			p.audit.record(subject(d.Payment)).held.until = time.Time{}
		}
		p.audit.checkCancelled(d)
		p.audit.inspect(subject(d.Payment))
	}
	return due, err
}

func (p auditedPayments) Renew(ctx context.Context, r payment.Renewal) error {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	err := p.Payments.Renew(ctx, r)
	if err == nil {
		d := p.audit.record(subjectOf(r.OrderID, r.Operation))
		p.audit.wrote("renewed", r.ClaimRef)
		p.audit.failedOver(d)
		d.held.until = p.audit.now().Add(r.Delay + r.Lease)
		if d.payment.Attempt.Number == r.Attempt && d.payment.Attempt.Class == "" {
			d.believe(d.held.replica, r.Delay+r.Lease) // a repeat does not count
		}
		p.audit.inspect(subjectOf(r.OrderID, r.Operation))
		p.audit.world.trace.add(d.held.replica, r.OrderID, "attempt %d was %s; next: %t, in %v",
			r.Attempt, r.End.Class, r.Next, r.Delay)
	}
	return err
}

func (p auditedPayments) Settle(ctx context.Context, s payment.Settlement) error {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	err := p.Payments.Settle(ctx, s)
	p.audit.coverSettle(s, err)
	p.audit.fencedOut(s, err)
	if err == nil {
		p.audit.wrote("settled", s.ClaimRef)
		p.audit.inspect(subjectOf(s.OrderID, s.Operation))
	}
	return err
}

func (p auditedPayments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	was := p.audit.record(subjectOf(r.OrderID, r.Operation)).payment
	is, verdict, err := p.Payments.RecordLookup(ctx, r)
	if err == nil {
		moved := was.Fence != r.Fence || was.Attempt.Number != r.Attempt
		if moved && verdict == payment.VerdictWritten && r.Result.Result != payment.FoundApproved && r.Result.Result != payment.FoundAuthorized {
			p.audit.world.report(r.OrderID, "a lookup counts that was sent at fence %d, attempt %d, and it was at fence %d, attempt %d",
				r.Fence, r.Attempt, was.Fence, was.Attempt.Number)
		}
		if r.Result.Result == payment.FoundProcessing {
			k := p.audit.record(subjectOf(r.OrderID, r.Operation)).log(r.Key)
			k.busy = append(k.busy, time.Now())
		}
		p.audit.inspect(subjectOf(r.OrderID, r.Operation))
		p.audit.coverLookup(r, is, verdict)
	}
	p.audit.world.trace.add(r.Replica, r.OrderID, "records the lookup of %s by fence %d, attempt %d: %s, %v", r.Key, r.Fence, r.Attempt, verdict, err)
	return is, verdict, err
}

func (p auditedPayments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	is, verdict, err := p.Payments.RecordApproval(ctx, a)
	if err == nil {
		p.audit.cover("approvals recorded: " + string(verdict))
		p.audit.inspect(subjectOf(a.OrderID, a.Operation))
	}
	p.audit.world.trace.add(a.By, a.OrderID, "records the approval %s of %s: %s, %v", a.TransactionID, a.Key, verdict, err)
	return is, verdict, err
}

// Notify stores that a charge is to be looked up, and nothing else.
func (p auditedPayments) Notify(ctx context.Context, n payment.Notice) (payment.Verdict, error) {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	was := p.audit.record(n.OrderID).payment
	verdict, err := p.Payments.Notify(ctx, n)
	if err != nil {
		return verdict, err
	}
	p.audit.cover(strings.TrimPrefix(string(n.Kind)+" events of the gateways: "+string(verdict), " "))
	p.audit.inspect(n.OrderID)
	if n.Kind != payment.KindCharge {
		p.audit.inspectOperations(n.OrderID)
		return verdict, nil
	}
	if is := p.audit.record(n.OrderID).payment; is.State != was.State || is.GatewayKey != was.GatewayKey || is.Fence != was.Fence {
		p.audit.world.report(n.OrderID, "an event made %s of fence %d to %s of fence %d", was.State, was.Fence, is.State, is.Fence)
	}
	return verdict, nil
}

// failedOver notes that a renewal has moved the payment to another gateway, whose key may now be sent.
func (a *audit) failedOver(d *orderRecord) {
	if !d.payment.Operation.IsCharge() {
		return
	}
	is, err := a.store.Find(context.Background(), d.payment.OrderID)
	if err != nil || is.GatewayKey == d.payment.GatewayKey {
		return
	}
	a.cover("payments that went to the next gateway")
	a.checkReuse(d, is)
	d.log(is.GatewayKey).claim(is.Gateway, time.Now())
}

func (p auditedPayments) Heartbeat(ctx context.Context, replica string) error {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	err := p.Payments.Heartbeat(ctx, replica)
	if err == nil {
		p.audit.heard[replica] = time.Now() // independent of the database's clock
	}
	return err
}

func (p auditedPayments) Release(ctx context.Context, h ports.Heartbeat) (bool, error) {
	p.audit.mu.Lock()
	defer p.audit.mu.Unlock()
	released, err := p.Payments.Release(ctx, h)
	if released {
		p.audit.release(h.Replica)
	}
	return released, err
}

// release checks that the claims of a replica that is reported as lost have expired.
func (a *audit) release(name string) {
	now := a.now()
	if ago := time.Since(a.heard[name]); ago <= a.world.heartbeatTimeout {
		a.world.report("", "%s was called silent %v after it was heard", name, ago)
	}
	for _, id := range slices.Sorted(maps.Keys(a.orders)) {
		if d := a.orders[id]; d.held.replica == name && d.held.until.After(now) {
			a.world.trace.add("audit", id, "%s is lost, and loses its claim", name)
			d.held.until = time.Time{}
		}
	}
}

// fencedOut notes an approval that its worker could not settle. It must be recorded anyway.
func (a *audit) fencedOut(s payment.Settlement, err error) {
	d := a.record(subjectOf(s.OrderID, s.Operation))
	if by, known := d.approved[s.Outcome.TransactionID]; known && errors.Is(err, payment.ErrFenced) {
		by.at = time.Now()
		a.cover("approvals of workers that were fenced out")
		d.dropped[s.Outcome.TransactionID] = by
	}
}

// fresh returns the worker's time at which the row is locked. A slow call would look like a step of the
// worker's clock, and in these runs it is the database's clock that steps.
func (a *audit) fresh(worker time.Time) time.Time {
	if a.world.jump > 0 {
		return time.Now()
	}
	return worker
}

// auditedGateway is the gateway as the core of one replica calls it.
type auditedGateway struct {
	ports.Gateway

	audit   *audit
	replica *replica
}

type attemptKey struct{}

// The kinds of due work that have workers of their own, and those of them that send attempts: charges and takeovers.
const (
	kindsOfWork       = 5
	kindsWithAttempts = 2
)

func (g auditedGateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	defer g.replica.call(ctx, &g.replica.attempting, kindsWithAttempts)()
	if g.replica.idle.Load() {
		g.audit.world.report(c.OrderID, "%s charges, and had stopped", g.replica.name)
	}
	at := g.audit.begin(ctx, g.replica.name, g.Capabilities().Gateway, c)
	result := g.Gateway.Charge(context.WithValue(ctx, attemptKey{}, at), c)
	g.audit.ended(g.replica.name, at, result)
	g.audit.world.trace.add(g.replica.name, c.OrderID, "charges with %s: %s %s",
		c.Key, result.Class, result.Message)
	return result
}

func (g auditedGateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	defer g.replica.call(ctx, &g.replica.lookingUp, kindsOfWork)()
	sent := time.Now()
	found := g.Gateway.LookUp(ctx, ref)
	g.audit.lookedUp(g.replica.name, g.Capabilities().Gateway, ref.Key, sent, found)
	g.audit.world.trace.add(g.replica.name, "", "looks up %s: %s", ref.Key, found.Result)
	return found
}

// Cancel counts as a lookup, because its answer is that of one.
func (g auditedGateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	defer g.replica.call(ctx, &g.replica.lookingUp, kindsOfWork)()
	sent := time.Now()
	found := g.Gateway.Cancel(ctx, ref)
	g.audit.lookedUp(g.replica.name, g.Capabilities().Gateway, ref.Key, sent, found)
	g.audit.cancelled(found)
	g.audit.world.trace.add(g.replica.name, "", "cancels %s: %s", ref.Key, found.Result)
	return found
}

// Capabilities are those of the gateway, with the return URL of this replica's configuration.
func (g auditedGateway) Capabilities() payment.Capabilities {
	c := g.Gateway.Capabilities()
	if g.audit.world.returnURLs {
		c.ReturnURL = "https://shop.example/" + g.replica.name
	}
	return c
}

// cancelled counts the charges that were cancelled.
func (a *audit) cancelled(found payment.Lookup) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cover("cancellations: " + string(found.Result))
}

// call counts a call to the gateway in n until it returns, because the queue's calls are bounded: so many kinds of work
// make such calls, and each has its workers.
func (r *replica) call(ctx context.Context, n *int, kinds int) (over func()) {
	if requestNumber(ctx) != 0 {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
	if limit := kinds * r.world.workers; *n > limit {
		r.world.report("", "%s has %d calls of its queue at the gateway, and %d workers", r.name, *n, limit)
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		*n--
	}
}

// begin checks an attempt as the core begins it.
func (a *audit) begin(ctx context.Context, replica string, gateway payment.GatewayID, c payment.Charge) *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.record(subjectOf(c.OrderID, c.Operation))
	at := &attempt{Charge: c, request: requestNumber(ctx), began: time.Now()}
	a.checkAttempt(d, replica, gateway, c)
	d.attempts = append(d.attempts, at)
	k := d.log(c.Key)
	k.attempts = append(k.attempts, at)
	at.covered = k.saved && !k.closedAt.IsZero() // it gets what the gateway has saved
	stored := false
	for _, key := range d.keys {
		stored = stored || key == c.Key
	}
	switch until, held := d.believes[replica]; {
	case !stored:
		a.world.report(c.OrderID, "%s charges with %s, which was not stored before", replica, c.Key)
	case c.Money != d.payment.Money:
		a.world.report(c.OrderID, "%s charges %v for an order of %v", replica, c.Money, d.payment.Money)
	case !held:
		a.world.report(c.OrderID, "%s charges without a claim", replica)
	case time.Now().After(until):
		a.world.report(c.OrderID, "%s charges %v after its lease had run out", replica, time.Since(until))
	case d.held.replica != replica || !d.held.until.After(a.now()):
		a.cover("attempts begun while another worker had one in flight")
	}
	return at
}

// ended notes the result that the core got.
func (a *audit) ended(replica string, at *attempt, r payment.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at.ended, at.class, at.answered = time.Now(), r.Class, r.Answered
	if r.Code == fake.CodeExceedsCharge && !a.misledOperations(at.OrderID) {
		a.world.report(at.OrderID, "%s asked for more than is left: %+v", replica, at.Charge)
	}
	if r.Class == payment.ClassApproved || r.Class == payment.ClassAuthorized {
		a.record(subjectOf(at.OrderID, at.Operation)).approve(r.TransactionID, approval{at.Key, replica, at.ended})
	}
}

// arrivals is the gateway's side of the connections.
type arrivals struct {
	gatewayLedger

	audit *audit
}

// Charge delivers an attempt. The caller's deadline may have passed, but a request that has left the
// process still arrives.
func (g arrivals) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if ctx.Err() != nil {
		alone, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Millisecond)
		defer cancel()
		ctx = alone
	}
	at, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		panic("an attempt that the audit has not seen begin")
	}
	g.audit.arriving.Lock()
	g.audit.desk[c.Key] = append(g.audit.desk[c.Key], at)
	g.audit.arriving.Unlock()
	c.Of.TransactionID = strings.TrimPrefix(c.Of.TransactionID, g.transaction("-")[:len(g.transaction("-"))-1])
	r := g.Gateway.Charge(ctx, c)
	r.TransactionID = g.transaction(r.TransactionID)
	return r
}

// LookUp delivers a lookup.
func (g arrivals) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	l := g.Gateway.LookUp(ctx, ref)
	l.TransactionID = g.transaction(l.TransactionID)
	return l
}

// Cancel delivers a cancellation.
func (g arrivals) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	l := g.Gateway.Cancel(ctx, ref)
	l.TransactionID = g.transaction(l.TransactionID)
	return l
}

// decide returns what the gateway does with the attempt that has arrived.
func (a *audit) decide(id payment.GatewayID, c payment.Charge) fake.Step {
	a.arriving.Lock()
	defer a.arriving.Unlock()
	at := a.desk[c.Key][0]
	a.desk[c.Key] = a.desk[c.Key][1:]
	a.arrived[subjectOf(c.OrderID, c.Operation)]++
	step, takes, lands := a.world.gatewayFault(id, c, a.arrived[subjectOf(c.OrderID, c.Operation)])
	at.takes, at.pends, at.lands = takes, lands == pends, time.Now().Add(lands)
	a.chargers[c.Key] = a.chargers[c.Key] || takes
	return step
}
