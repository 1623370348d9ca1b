package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// refundScenario is a [scenario] of operations of a payment of 100.00 that succeeded before, or was authorized. The
// steps are those of the attempts at these operations; a repeat of the payment makes none.
type refundScenario struct {
	scenario

	asks []ask
	// hold: the money is only held.
	hold bool
	// expires: the gateway releases the hold after [pendingTime].
	expires bool
	// returns: the bank sends the money of each refund back, after [pendingTime].
	returns bool
}

// ask is what a client asks for: an operation, or the payment once more. All clients of a scenario ask at about the
// same time.
type ask struct {
	of      payment.OperationID // the zero value is the payment
	amount  string
	final   []payment.State // any of these
	refused bool            // it may be refused, because of another operation
}

func refundAsk(final ...payment.State) []ask {
	return []ask{{of: refundID("r-1"), amount: "60.00", final: final}}
}

var payAgain = ask{amount: "100.00", final: oneOf(payment.StateSucceeded)}

// twoRefunds exceed the payment together.
func twoRefunds(final ...payment.State) []ask {
	return []ask{
		{of: refundID("r-1"), amount: "60.00", final: final, refused: true},
		{of: refundID("r-2"), amount: "60.00", final: final, refused: true},
	}
}

var soon = 300 * time.Millisecond // is longer than the time between the requests of two clients

var refundScenarios = []refundScenario{
	{scenario: scenario{name: "approved", then: fake.Approve()}, asks: refundAsk(payment.StateSucceeded)},
	{scenario: scenario{name: "declined", then: fake.Decline("insufficient_funds")}, asks: refundAsk(payment.StateDeclined)},
	{
		scenario: scenario{name: "transient, then approved", script: steps(1, fake.Refuse()), then: fake.Approve()},
		asks:     refundAsk(payment.StateSucceeded),
	},
	{
		scenario: scenario{name: "unknown, then approved", script: steps(1, fake.Timeout()), then: fake.Approve()},
		asks:     refundAsk(payment.StateSucceeded),
	},
	{
		scenario: scenario{name: "exhausted, moved", script: steps(1, fake.LoseAnswer()), then: fake.Timeout()},
		asks:     refundAsk(payment.StateSucceeded),
	},
	{
		scenario: scenario{
			name: "exhausted, moved late", script: append(steps(3, fake.Timeout()), fake.ChargeLate(4*time.Second)), then: fake.Timeout(),
		},
		asks: refundAsk(payment.StateSucceeded, payment.StateFailed),
	},
	{scenario: scenario{name: "exhausted, not moved", then: fake.Refuse()}, asks: refundAsk(payment.StateFailed)},
	{scenario: scenario{name: "exhausted, unknown", then: fake.Timeout()}, asks: refundAsk(payment.StateFailed)},
	{
		scenario: scenario{
			name: "exhausted, unreachable", script: steps(1, fake.LoseAnswer()), then: fake.Timeout(), unreachable: true,
		},
		asks: refundAsk(payment.StateUnresolved),
	},
	{
		scenario: scenario{
			name: "moved, repeat declined", script: steps(1, fake.LoseAnswer()), then: fake.DeclineAttempt("charge_already_refunded"),
		},
		asks: refundAsk(payment.StateSucceeded),
	},
	{
		scenario: scenario{name: "pending, then approved", then: fake.Pending(), decides: new(fake.Approve())},
		asks:     refundAsk(payment.StateSucceeded),
	},
	{
		scenario: scenario{name: "pending, then declined", then: fake.Pending(), decides: new(fake.Decline("account_closed"))},
		asks:     refundAsk(payment.StateDeclined),
	},
	{scenario: scenario{name: "approved, then returned", then: fake.Approve()}, asks: refundAsk(payment.StateDeclined), returns: true},
	{
		scenario: scenario{name: "moved, answer lost, then returned", script: steps(1, fake.LoseAnswer()), then: fake.Timeout()},
		asks:     refundAsk(payment.StateDeclined), returns: true,
	},
	{
		scenario: scenario{
			name: "stopped in backoff", script: []fake.Step{fake.Refuse(), fake.LoseAnswer()}, then: fake.Approve(),
			stop: 500 * time.Millisecond,
		},
		asks: refundAsk(payment.StateSucceeded),
	},

	{
		scenario: scenario{name: "two that exceed, approved", then: fake.Slow(soon, fake.Approve())},
		asks:     twoRefunds(payment.StateSucceeded),
	},
	{
		scenario: scenario{
			name: "two that exceed, moved and unknown", script: steps(1, fake.Slow(soon, fake.LoseAnswer())), then: fake.Timeout(),
		},
		asks: twoRefunds(payment.StateSucceeded, payment.StateFailed),
	},
	{
		scenario: scenario{name: "two that exceed, unknown and not moved", then: fake.Slow(soon, fake.Timeout())},
		asks:     twoRefunds(payment.StateFailed),
	},
	{
		scenario: scenario{
			name: "two that exceed, first declined", script: steps(1, fake.Slow(soon, fake.Decline("insufficient_funds"))),
			then: fake.Approve(),
		},
		asks: twoRefunds(payment.StateSucceeded, payment.StateDeclined),
	},
	{
		scenario: scenario{
			name: "two that fit, first moved and unknown", script: steps(1, fake.Slow(soon, fake.LoseAnswer())), then: fake.Approve(),
		},
		asks: []ask{
			{of: refundID("r-1"), amount: "60.00", final: oneOf(payment.StateSucceeded)},
			{of: refundID("r-2"), amount: "40.00", final: oneOf(payment.StateSucceeded)},
		},
	},
	{
		scenario: scenario{name: "two for what is left", then: fake.Slow(soon, fake.Approve())},
		asks: []ask{
			{of: refundID("r-1"), final: oneOf(payment.StateSucceeded), refused: true},
			{of: refundID("r-2"), final: oneOf(payment.StateSucceeded), refused: true},
		},
	},
	{
		scenario: scenario{name: "beside a repeat of the payment, moved", script: steps(1, fake.LoseAnswer()), then: fake.Timeout()},
		asks:     append(refundAsk(payment.StateSucceeded), payAgain),
	},
	{
		scenario: scenario{name: "beside a repeat of the payment, declined", then: fake.Slow(soon, fake.Decline("account_closed"))},
		asks:     append([]ask{payAgain}, refundAsk(payment.StateDeclined)...),
	},
}

// refundRun is one run of a refundScenario, with faults injected.
type refundRun struct {
	*run

	scenario refundScenario
	// The fields below are guarded by run.mu.
	got       map[payment.OperationID][]clientReply
	violation error // the first one that was observed
}

// TestEveryCrashPoint_Refunds is [TestEveryCrashPoint] for refunds, alone and in pairs that share a payment.
func TestEveryCrashPoint_Refunds(t *testing.T) {
	t.Parallel()
	var all []proof
	for _, sc := range refundScenarios {
		for _, mode := range clientModes {
			all = append(all, proof{sc.name + ", " + string(mode), sc.single(), sc.stride(), func(t *testing.T, i ...injection) *run {
				return runRefunds(t, sc, mode, i...)
			}})
		}
	}
	injectEverywhereIn(t, all)
}

// single returns n to run one fault in n.
func (sc refundScenario) single() int {
	switch { // the numbers share no divisor with that of the kinds of faults, so that every kind is injected
	case pairStride > 1: // with the race detector
		return 25
	case testing.Short():
		return 5
	}
	if *everyPair {
		return 1
	}
	return 3
}

// stride returns n to run one pair of faults in n. With -every-pair, all are run.
func (sc refundScenario) stride() int {
	const sample = 180
	switch {
	case pairStride > 1: // with the race detector
		return sample * pairStride
	case testing.Short() || *everyPair:
		return sc.scenario.stride()
	}
	return sample
}

// runRefunds runs a whole scenario, and checks the result.
func runRefunds(t *testing.T, sc refundScenario, mode clientMode, injections ...injection) *run {
	t.Helper()
	r := newRefundRun(t, sc, mode, injections)
	require.NoError(t, r.play(), r)
	return r.run
}

func newRefundRun(t *testing.T, sc refundScenario, mode clientMode, injections []injection) *refundRun {
	t.Helper()
	r := &refundRun{
		run: &run{
			world: &world{t: t, began: time.Now(), quiet: true, payments: fake.NewPayments(), gateway: fake.NewGateway()},
			mode:  mode, injections: injections, queues: mode != retryUntilAnswered,
		},
		scenario: sc, got: make(map[payment.OperationID][]clientReply),
	}
	r.run.scenario = sc.scenario
	if sc.hold {
		require.Equal(t, payment.StateAuthorized, r.replica("replica-0").pay(held).State)
	} else {
		require.Equal(t, payment.StateSucceeded, r.replica("replica-0").pay().State)
	}
	r.gateway.Script(order, sc.script...)
	r.gateway.OnCharge(func(payment.Charge) fake.Step { return sc.then })
	if sc.unreachable {
		r.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
	}
	r.observe = r.observeReservation
	return r
}

// play runs the scenario, and returns an error if a guarantee is violated.
func (r *refundRun) play() error {
	r.requestAll()
	for asked := 1; r.mode == retryUntilAnswered && asked < 20 && !r.allAnswered(); asked++ {
		time.Sleep(time.Second)
		r.decide()
		r.requestAll()
	}
	r.queues = true
	for waited := 0; waited < 150 && !r.allFinal(); waited++ {
		r.active()
		r.decide()
		time.Sleep(time.Second)
	}
	for _, replica := range r.replicas {
		if replica.endQueue != nil {
			replica.endQueue()
		}
	}
	return r.checkAll()
}

// requestAll sends the requests of all clients that have no answer yet, one shortly after the other. It returns
// when all have a reply, or their replica becomes inactive.
func (r *refundRun) requestAll() {
	var waits []func()
	for _, a := range r.scenario.asks {
		if !r.hasAnswer(a) || r.mode != retryUntilAnswered {
			waits = append(waits, r.send(a))
			time.Sleep(soon / 100)
		}
	}
	for _, wait := range waits {
		wait()
	}
}

// send sends the request of one client, and returns a function that waits for its reply.
func (r *refundRun) send(a ask) (wait func()) {
	c, attempts := r.active(), r.received()
	async := func(q *core.Request) { q.Async = r.mode == askAsync }
	var replies <-chan reply
	if a.of.IsCharge() {
		replies = c.start(context.Background(), async)
	} else {
		replies = c.startOperation(a.of, a.amount, async)
	}
	done := make(chan struct{})
	r.addPending(1)
	go func() {
		defer close(done)
		defer r.addPending(-1)
		got, answered := <-replies
		if !answered {
			return
		}
		p, _ := r.find(a)
		r.mu.Lock()
		defer r.mu.Unlock()
		if c.crashedAt.IsZero() || time.Now().Equal(c.crashedAt) {
			r.got[a.of] = append(r.got[a.of], clientReply{got, c.isInactive(), p, r.received() - attempts})
		}
	}()
	return func() {
		select {
		case <-done:
		case <-c.inactive:
			synctest.Wait() // it may have replied at the same moment
		}
	}
}

// find returns what is stored of what the client asked for.
func (r *refundRun) find(a ask) (payment.Payment, error) {
	if a.of.IsCharge() {
		return r.payments.Find(context.Background(), order)
	}
	return r.payments.FindOperation(context.Background(), payment.Ref{OrderID: order, Operation: a.of})
}

func (r *refundRun) hasAnswer(a ask) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.got[a.of], func(got clientReply) bool {
		return got.err == nil || errors.As(got.err, new(*payment.OperationRefusedError))
	})
}

func (r *refundRun) allAnswered() bool {
	return !slices.ContainsFunc(r.scenario.asks, func(a ask) bool { return !r.hasAnswer(a) })
}

// decide decides what is pending at the gateway, or lets the bank return it, once the time for it has come. The
// gateway reports a return until the service has found it.
func (r *refundRun) decide() {
	if r.since() < pendingTime {
		return
	}
	if r.scenario.expires {
		r.gateway.ExpireHold(r.stored().GatewayKey)
	}
	for _, a := range r.scenario.asks {
		p, err := r.find(a)
		if a.of.IsCharge() || err != nil {
			continue
		}
		if r.scenario.decides != nil {
			r.gateway.Complete(p.GatewayKey, *r.scenario.decides)
		}
		if r.scenario.returns {
			r.gateway.Return(p.GatewayKey)
			if _, returned := r.gateway.DecidedRefund(p.GatewayKey); returned && p.Code != payment.CodeRefundReturned {
				r.report(p)
			}
		}
	}
}

// report sends the event of a return to the active replica, which may crash meanwhile.
func (r *refundRun) report(p payment.Payment) {
	c, done := r.active(), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.Notify(context.Background(), core.GatewayEvent{
			ID: "event", Kind: "refund.returned", Operation: payment.KindRefund, Gateway: "fake:", OrderID: order,
			Key: p.GatewayKey, Says: payment.FoundReturned,
		})
	}()
	select {
	case <-done:
	case <-c.inactive:
	}
}

// allFinal reports whether everything that was stored is final, and nothing is on its way.
func (r *refundRun) allFinal() bool {
	if r.addPending(0) > 0 || !r.settled() { // first, because a request that returns after find may have stored a refund
		return false
	}
	for _, a := range r.scenario.asks {
		p, err := r.find(a)
		switch {
		case err != nil:
		case p.State == payment.StateUnresolved && r.scenario.unreachable:
		case !p.State.Final():
			return false
		case r.scenario.returns && len(r.gateway.Refunded()) > 0 && p.Code != payment.CodeRefundReturned:
			return false
		case slices.ContainsFunc(p.Keys, func(k payment.Key) bool { return !k.DueAt.IsZero() }):
			return false
		}
	}
	return true
}

// observeReservation checks, before a call, that the charge's row reserves what its refunds may have moved, and that
// the gateway has not given back more than that. The caller holds run.mu.
func (r *refundRun) observeReservation() {
	h, err := r.payments.History(context.Background(), order)
	if err != nil || r.violation != nil {
		return
	}
	var reserved int64
	for _, o := range h.Operations {
		if o.Payment.Operation.Kind == payment.KindRefund && reserves(o.Payment) {
			reserved += o.Payment.Money.Minor()
		}
	}
	is := h.Payment
	if r.scenario.hold {
		r.violation = r.observeHold(h)
	}
	switch given := r.gateway.RefundedOf(is.GatewayKey); {
	case r.violation != nil:
	case is.RefundReserved != reserved:
		r.violation = fmt.Errorf("before call %d, %d is reserved, and the refunds reserve %d", len(r.calls)+1, is.RefundReserved, reserved)
	case reserved > is.Captured().Minor():
		r.violation = fmt.Errorf("before call %d, %d is reserved of %v", len(r.calls)+1, reserved, is.Captured())
	case given > reserved:
		r.violation = fmt.Errorf("before call %d, %d was given back, and %d is reserved", len(r.calls)+1, given, reserved)
	}
}

// reserves is the rule: only a refund that provably moved no money reserves none.
func reserves(p payment.Payment) bool {
	return p.State != payment.StateDeclined && p.State != payment.StateFailed || p.Doubt.Any()
}

// checkAll returns an error if one of the guarantees that hold for every run is violated.
func (r *refundRun) checkAll() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observeReservation()
	if r.violation != nil {
		return r.violation
	}
	if n, held := r.gateway.Charges(order), len(r.gateway.Held()); n+held != 1 || r.scenario.hold != (held == 1) {
		return fmt.Errorf("charged %d times, held %d times", n, held)
	}
	began := 0
	for _, a := range r.scenario.asks {
		p, err := r.find(a)
		switch {
		case errors.Is(err, ports.ErrNotFound):
			err = r.checkNotBegun(a)
		case err == nil:
			began++
			err = r.checkStored(a, p)
		}
		if err != nil {
			return fmt.Errorf("%+v: %w", a, err)
		}
	}
	if began == 0 && r.injected == 0 {
		return errors.New("no operation was begun")
	}
	return r.checkHold()
}

// checkNotBegun checks an operation that is not stored: the clients have no other answer than that it was refused.
func (r *refundRun) checkNotBegun(a ask) error {
	if len(r.gateway.RefundKeys(order, a.of)) > 0 {
		return errors.New("it was sent and is not stored")
	}
	for _, got := range r.got[a.of] {
		switch refused := errors.As(got.err, new(*payment.OperationRefusedError)); {
		case got.err == nil:
			return fmt.Errorf("answered with %+v, and not stored", got.Answer)
		case refused && !a.refused:
			return fmt.Errorf("refused: %w", got.err)
		}
	}
	return nil
}

// checkStored checks what is stored against the gateway's ledger, and the replies of the client.
func (r *refundRun) checkStored(a ask, p payment.Payment) error {
	if !slices.Contains(a.final, p.State) {
		return fmt.Errorf("the final state is %s", p.State)
	}
	if !a.of.IsCharge() {
		if err := r.checkLedger(p); err != nil {
			return err
		}
	}
	all := r.got[a.of]
	evidence := slices.ContainsFunc(r.history().Operations, func(h ports.History) bool {
		return slices.ContainsFunc(h.Events, func(e payment.Event) bool { return e.Kind == payment.EventEvidence })
	})
	for i, got := range all {
		if r.scenario.returns && got.err == nil && got.State == payment.StateSucceeded {
			got.late = true // it succeeded before the money came back
		}
		if err := got.check(p, i == len(all)-1 && !evidence); err != nil {
			return fmt.Errorf("reply %d: %w", i+1, err)
		}
	}
	return nil
}

// checkLedger checks that the operation moved money at most once, and that its state says so.
func (r *refundRun) checkLedger(p payment.Payment) error {
	moved := r.moved(p.Operation)
	if err := r.checkRefundKeys(p); err != nil {
		return err
	}
	returned := p.Code == payment.CodeRefundReturned
	switch {
	case len(moved) > 1:
		return fmt.Errorf("moved %d times: %+v", len(moved), moved)
	case (p.State == payment.StateSucceeded || returned) && len(moved) == 0:
		return fmt.Errorf("the final state is %s %s, and no money moved", p.State, p.Code)
	case len(moved) == 0:
		return nil
	case p.State != payment.StateSucceeded && !returned && !r.scenario.unreachable:
		return fmt.Errorf("money moved, and the final state is %s", p.State)
	case returned != moved[0].returned, moved[0].money != p.Money,
		p.TransactionID != moved[0].transactionID && p.State == payment.StateSucceeded:
		return fmt.Errorf("stored as %s %s, and the gateway has %+v", p.State, p.TransactionID, moved[0])
	}
	return nil
}

// checkRefundKeys checks that a key was replaced only after a decline, and that the gateway was never asked for more
// than was left.
func (r *refundRun) checkRefundKeys(p payment.Payment) error {
	keys := r.gateway.RefundKeys(order, p.Operation)
	for i, key := range keys {
		result := r.gateway.DecidedOperation(p.Operation.Kind, key)
		switch {
		case result.Code == fake.CodeExceedsCharge:
			return errors.New("the gateway was asked for more than was left")
		case i < len(keys)-1 && result.Class != payment.ClassDeclined:
			return fmt.Errorf("the key %s was replaced without a decline: %v", key, keys)
		}
	}
	return nil
}

// String describes the run, to find out why a check failed.
func (r *refundRun) String() string {
	r.mu.Lock()
	for _, a := range r.scenario.asks {
		r.replies = append(r.replies, r.got[a.of]...)
	}
	r.mu.Unlock()
	h, _ := r.payments.History(context.Background(), order)
	return fmt.Sprintf("%s%+v\n", r.run.String(), h.Operations)
}
