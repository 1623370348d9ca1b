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

// longestAnswer is longer than any answer may take, pauses and outages included.
const longestAnswer = time.Hour

// client posts orders, comes back when an answer says so, and writes down what it sees.
type client struct {
	stream

	world *world
	id    int
}

type requestNumberKey struct{}

// requestNumber returns the number of the request that a call is made for; zero for the queue.
func requestNumber(ctx context.Context) int {
	n, _ := ctx.Value(requestNumberKey{}).(int)
	return n
}

// run posts one order after the other, as all clients do at about the same time.
func (c *client) run() {
	for n := range c.world.requests {
		if !c.world.sleep(c.about(c.world.pause)) {
			return
		}
		order := n * c.world.orders / c.world.requests
		if c.chance(0.2) {
			order = c.IntN(c.world.orders)
		}
		switch {
		case c.chance(0.2):
			c.get(orderID(order))
		case c.world.manual(orderID(order)) && c.chance(0.5):
			c.endHold(order)
		case c.world.refunds && c.chance(0.5):
			c.refund(order)
		default:
			c.pay(order)
		}
	}
}

// pay posts an order, a bounded number of times, until the answer is final.
func (c *client) pay(i int) {
	wait := c.between(time.Second, 20*time.Second)
	request := core.Request{
		OrderID: orderID(i), Money: amountOf(i), Capture: c.world.captureOf(orderID(i)), Async: c.chance(0.2),
	}
	if c.world.methods {
		request.Method = c.method(i)
	}
	switch {
	case c.chance(0.2):
		request.Wait = new(time.Duration)
	case c.chance(0.3):
		request.Wait = &wait
	}
	if c.chance(0.1) {
		request.Money = usd("999.99")
	}
	for range 6 {
		switch c.post(request) {
		case history.Pending:
			c.poll(request.OrderID)
			return
		case history.Unavailable, history.Busy, history.Nothing:
		case history.Declined, history.Failed:
			if c.chance(0.5) {
				return
			}
		default:
			return
		}
		if !c.world.sleep(c.between(100*time.Millisecond, 20*time.Second)) {
			return
		}
		if c.world.methods {
			request.Method = c.method(i)
		}
	}
}

// poll reads a payment until it is final, for a bounded time.
func (c *client) poll(id payment.OrderID) {
	wait := c.between(time.Second, 5*time.Second)
	for range 6 {
		if !c.world.sleep(wait) {
			return
		}
		switch c.get(id) {
		case history.Success, history.Declined, history.Failed:
			return
		}
		wait *= 2
	}
}

// connect finds a replica that takes connections.
func (c *client) connect() *replica {
	for range 20 {
		if r := c.world.running(c.IntN(c.world.replicas)); r != nil {
			return r
		}
		if !c.world.sleep(c.between(100*time.Millisecond, 10*time.Second)) {
			return nil
		}
	}
	return nil
}

// post posts an order and returns the answer.
func (c *client) post(request core.Request) history.Response {
	r := c.connect()
	if r == nil {
		return history.Unavailable
	}
	number := c.world.nextRequest()
	op := history.Operation{
		Client: c.id, OrderID: string(subjectOf(request.OrderID, request.Operation)), Kind: history.Post,
		Amount: request.Money.String(), Call: c.world.tick(),
	}
	c.world.trace.add(c.name(), request.OrderID, "request %d to %s: %v, async %t, wait %v",
		number, r.name, request.Money, request.Async, request.Wait)
	c.exchange(r, number, func(ctx context.Context) func() {
		do := map[payment.Kind]func(context.Context, core.Request) (core.Answer, error){
			payment.KindCharge: r.Process, payment.KindRefund: r.Refund,
			payment.KindCapture: r.Capture, payment.KindVoid: r.Void,
		}[request.Operation.Kind]
		a, err := do(ctx, request)
		return func() { c.world.recordAnswer(&op, request, number, a, err) }
	})
	if !request.Money.IsZero() { // the amount of a refund is not known then, and the audit alone checks it
		c.world.note(op)
	}
	c.world.trace.add(c.name(), request.OrderID, "request %d gets: %s %s", number, op.Response, op.TransactionID)
	return op.Response
}

// get reads a payment.
func (c *client) get(id payment.OrderID) history.Response {
	r := c.connect()
	if r == nil {
		return history.Unavailable
	}
	op := history.Operation{Client: c.id, OrderID: string(id), Kind: history.Get, Call: c.world.tick()}
	c.exchange(r, 0, func(ctx context.Context) func() {
		h, err := r.History(ctx, id)
		return func() { c.world.recordRead(&op, h.Payment, err) }
	})
	c.world.note(op)
	c.world.trace.add(c.name(), id, "sees: %s %s", op.Response, op.TransactionID)
	return op.Response
}

// exchange makes a call to a replica and takes the answer, if one comes: the replica may die, and the
// client may leave.
func (c *client) exchange(r *replica, number int, call func(context.Context) func()) {
	ctx, leave := context.WithCancel(context.WithValue(context.Background(), requestNumberKey{}, number))
	defer leave()
	timeout := longestAnswer
	if c.chance(0.1) {
		timeout = c.between(time.Millisecond, 20*time.Second)
	}
	answers, stagger := make(chan func(), 1), c.between(time.Microsecond, time.Millisecond)
	c.world.calls.Add(1)
	go func() {
		defer c.world.calls.Add(-1)
		takeIn := call(ctx)
		r.gate(forever, stagger)
		answers <- takeIn
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case takeIn := <-answers:
		takeIn()
	case <-r.dead:
	case <-c.world.failed:
	case <-timer.C:
		if timeout == longestAnswer {
			c.world.report("", "request %d got no answer in %v", number, timeout)
		}
	}
}

// recordAnswer records the answer to a Post and checks it against what is stored.
func (w *world) recordAnswer(op *history.Operation, request core.Request, number int, a core.Answer, err error) {
	op.Return = w.tick()
	switch {
	case !request.Operation.IsCharge() && w.refusedOperation(op, request.Operation.Kind, err):
	case errors.Is(err, core.ErrMismatch):
		op.Response = history.Mismatch
	case errors.Is(err, core.ErrBusy), errors.Is(err, core.ErrForeignGateway), errors.Is(err, core.ErrKeyOpen),
		errors.Is(err, core.ErrVoided):
		op.Response = history.Busy
	case errors.Is(err, ports.ErrInDoubt):
		op.Response = history.Nothing
	case errors.Is(err, ports.ErrUnavailable), errors.As(err, new(*core.GatewaysUnavailableError)), w.lacksMethod(request, err):
		op.Response = history.Unavailable
	case err != nil:
		w.report(request.OrderID, "request %d got: %v", number, err)
	default:
		op.Response, op.TransactionID, op.Replayed = responses[a.State], a.TransactionID, a.Replayed
	}
	w.audit.checkAnswer(*op, request, number, a.State)
}

// recordRead records the answer to a Get.
func (w *world) recordRead(op *history.Operation, p payment.Payment, err error) {
	op.Return = w.tick()
	switch {
	case errors.Is(err, ports.ErrNotFound):
		op.Response = history.NotFound
	case err != nil:
		op.Response = history.Unavailable
	default:
		op.Amount, op.TransactionID = p.Money.String(), p.TransactionID
		op.Response = responses[p.State]
		if p.State == payment.StateProcessing {
			op.Response = history.Pending
		}
	}
}

// responses maps the state of a payment to the answer that a client gets. Processing has none.
var responses = map[payment.State]history.Response{
	payment.StateScheduled: history.Pending, payment.StatePending: history.Pending, payment.StateUnresolved: history.Pending,
	payment.StateSucceeded: history.Success, payment.StateDeclined: history.Declined,
	payment.StateFailed: history.Failed,
	// The gateway has approved these as well, and their transaction lasts.
	payment.StateAuthorized: history.Success, payment.StateVoided: history.Success,
}

// checkAnswer checks that what an answer says is stored.
func (a *audit) checkAnswer(op history.Operation, request core.Request, number int, s payment.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.record(subjectOf(request.OrderID, request.Operation))
	find := func(format string, args ...any) {
		a.world.report(request.OrderID, "request %d got %q, "+format, append([]any{number, op.Response}, args...)...)
	}
	switch op.Response {
	case history.Success, history.Declined, history.Failed, history.Pending:
		if !a.stored(op, request, s) {
			find("and that is not stored; the payment is %s", d.payment.State)
		}
	case history.Unavailable:
		for _, at := range d.attempts {
			if at.request == number {
				find("and has charged with %s", at.Key)
			}
		}
	case history.Mismatch:
		if d.payment.Money == request.Money || d.payment.OrderID == "" {
			find("and the order has %v", d.payment.Money)
		}
		return
	case history.Nothing:
		return
	case history.Busy:
	default:
		find("in state %s", s)
	}
	if op.Response != history.Unavailable && d.payment.Money != request.Money && !request.Money.IsZero() {
		find("asked for %v, and the order has %v", request.Money, d.payment.Money)
	}
}

// stored reports whether the outcome of an answer was ever stored, or the void that is accepted.
func (a *audit) stored(op history.Operation, request core.Request, s payment.State) bool {
	of := request.Operation
	if op.Response == history.Pending {
		return of.Kind != payment.KindVoid || a.voidStored(request)
	}
	if of.Kind == payment.KindVoid && op.TransactionID == "" && s == payment.StateSucceeded {
		return a.record(request.OrderID).cancelled() // a pending payment, which has no void
	}
	return a.record(subjectOf(request.OrderID, of)).ended(s, op.TransactionID)
}

func (c *client) name() string { return "client-" + string(rune('0'+c.id)) }

func (w *world) nextRequest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.asked
}

// note keeps an operation for the history.
func (w *world) note(op history.Operation) {
	if op.Response == "" {
		op.Response = history.Nothing
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, op)
}
