package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// scenario is what the gateway does to a payment, and the states in which the payment may end.
type scenario struct {
	name   string
	script []fake.Step     // of the first attempts
	then   fake.Step       // of all others
	final  []payment.State // any of these
	// unreachable: lookups get no answer either, and the payment stays unresolved.
	unreachable bool
	// stop is when the first replica is stopped; zero for never.
	stop time.Duration
	// configure changes what the gateway can prove. Nil for what the gateway protocol guarantees.
	configure func(*fake.Gateway)
	// keyLifetime is the time after which a lookup proves nothing; zero for no limit.
	keyLifetime time.Duration
	// second is what the next gateway of the route does; nil if there is only one gateway. Without a fault, the
	// payment ends in the first of the final states, at the gateway with that name.
	second *script
	ends   payment.GatewayID
	// decides is how the gateway settles a charge that is pending, after [pendingTime]; nil for never.
	decides *fake.Step
}

// script is what a gateway does to a payment.
type script struct {
	first []fake.Step // attempts
	then  fake.Step   // all others
}

// pendingTime is how long the gateways of a scenario take to decide a pending charge.
const pendingTime = 12 * time.Second

// Two faults cost at most two of the four attempts of a round. So the last attempt is approved if one
// step precedes the approval.
var scenarios = []scenario{
	{name: "approved", then: fake.Approve(), final: oneOf(payment.StateSucceeded)},
	{name: "declined", then: fake.Decline("card_declined"), final: oneOf(payment.StateDeclined)},
	{
		name: "transient, then approved", script: []fake.Step{fake.Refuse()},
		then: fake.Approve(), final: oneOf(payment.StateSucceeded),
	},
	{
		name: "unknown, then approved", script: []fake.Step{fake.Timeout()},
		then: fake.Approve(), final: oneOf(payment.StateSucceeded),
	},
	{
		name: "unknown, charged", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Approve(), final: oneOf(payment.StateSucceeded),
	},
	{name: "exhausted, not charged", then: fake.Refuse(), final: oneOf(payment.StateFailed)},
	{
		name: "exhausted, charged", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Timeout(), final: oneOf(payment.StateSucceeded),
	},
	{
		name: "exhausted, charged late", script: append(four(fake.Timeout())[:3], fake.ChargeLate(4*time.Second)),
		then: fake.Timeout(), final: oneOf(payment.StateSucceeded, payment.StateFailed), // failed if a fault replaced the charge
	},
	{
		name: "approved, then refused", script: []fake.Step{fake.Approve()},
		then: fake.Refuse(), final: oneOf(payment.StateSucceeded, payment.StateFailed), // failed if a fault replaced the charge
	},
	{name: "exhausted, unknown", then: fake.Timeout(), final: oneOf(payment.StateFailed)},
	{
		name: "exhausted, unreachable", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Timeout(), final: oneOf(payment.StateUnresolved), unreachable: true,
	},
	{
		name: "stopped in backoff", script: []fake.Step{fake.Refuse(), fake.LoseAnswer()},
		then: fake.Approve(), final: oneOf(payment.StateSucceeded), stop: 500 * time.Millisecond,
	},
	{
		name: "charged, repeat declined", script: []fake.Step{fake.LoseAnswer()},
		then: fake.DeclineAttempt("duplicate_transaction"), final: oneOf(payment.StateSucceeded),
	},
	{
		name: "not charged, repeat declined", script: []fake.Step{fake.Timeout()},
		then: fake.DeclineAttempt("card_declined"), final: oneOf(payment.StateDeclined),
	},
	{
		name: "answered by an intermediary, charged", script: []fake.Step{fake.Intermediary(402, fake.Approve())},
		then: fake.Intermediary(503, fake.Timeout()), final: oneOf(payment.StateSucceeded),
	},
	{
		name: "answered by an intermediary, not forwarded",
		then: fake.Intermediary(402, fake.Timeout()), final: oneOf(payment.StateFailed),
	},
	{
		name: "still running", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Running(), final: oneOf(payment.StateSucceeded),
	},
	{
		name: "lookups lag as declared", script: []fake.Step{fake.ChargeThenServerError()}, then: fake.Unavailable(),
		final: oneOf(payment.StateSucceeded), configure: func(g *fake.Gateway) { g.LagLookUps(3 * time.Second) },
	},
	{
		// The first lookup finds nothing, and the second finds the charge.
		name: "lookups lag longer than declared", script: append(four(fake.Unavailable())[:3], fake.ChargeThenServerError()),
		then: fake.Unavailable(), final: oneOf(payment.StateSucceeded, payment.StateFailed), // failed if a fault replaced the charge
		configure: func(g *fake.Gateway) {
			g.LagLookUps(4 * time.Second)
			g.Declare(func(c *payment.Capabilities) { c.LookupLag = 0 })
		},
	},
	{
		// It is sent for 5 s: the lifetime less the timeout of an attempt and [core.Settings.Late].
		name: "key forgotten", script: []fake.Step{fake.LoseAnswer()}, then: fake.Timeout(),
		final: keyForgotten, keyLifetime: keyLifetime,
		configure: func(g *fake.Gateway) { g.ForgetAfter(keyLifetime) },
	},
	{
		name: "key forgotten, repeats charged", script: []fake.Step{fake.LoseAnswer(), fake.Timeout()}, then: fake.Approve(),
		final: keyForgotten, keyLifetime: keyLifetime,
		configure: func(g *fake.Gateway) { g.ForgetAfter(keyLifetime) },
	},
}

// keyForgotten includes failed, for a worker that is lost before it sends the key.
var keyForgotten = oneOf(payment.StateSucceeded, payment.StateUnresolved, payment.StateFailed)

// keyLifetime is the lifetime of a gateway that forgets keys.
const keyLifetime = gatewayTimeout + 10*time.Second

func oneOf(s ...payment.State) []payment.State { return s }

// clientMode is how the client asks, and so which worker goes on after a fault.
type clientMode string

const (
	retryUntilAnswered clientMode = "retried until answered"
	askOnce            clientMode = "asked once, resumed by the queue"
	askAsync           clientMode = "accepted for the queue"
)

var clientModes = []clientMode{retryUntilAnswered, askOnce, askAsync}

// run is one run of a scenario: the life cycle of one payment, with faults injected.
type run struct {
	*world

	second     *fake.Gateway // nil if there is one gateway
	scenario   scenario
	mode       clientMode
	injections []injection

	queues   bool         // the replicas run a queue
	replicas []*crashable // the last one is active; if it is inactive, another replica is started
	// observe is called before each call of a replica; nil for nothing.
	observe func()

	mu       sync.Mutex // guards the fields below, and crashable.crashedAt
	calls    []string   // methods called by all replicas
	injected int        // injections that have happened
	replies  []clientReply
	pending  int // requests that a replica is processing, paused or not
}

// crashable is a replica that can be killed.
type crashable struct {
	*replica

	run        *run
	inactive   chan struct{} // closed when it crashes, is paused, or begins to stop
	deactivate func()
	crashedAt  time.Time
}

// clientReply is a reply to a client, and what was true when it arrived.
type clientReply struct {
	reply

	late     bool // by a replica that was inactive already
	stored   payment.Payment
	attempts int // that the gateway received since the client asked
}

// runScenario runs a whole scenario, and checks the result.
func runScenario(t *testing.T, sc scenario, mode clientMode, injections ...injection) *run {
	t.Helper()
	r := &run{
		world: &world{
			t: t, began: time.Now(), quiet: true,
			payments: fake.NewPayments(), gateway: fake.NewGateway(sc.script...),
		},
		scenario: sc, mode: mode, injections: injections, queues: mode != retryUntilAnswered,
	}
	r.gateway.OnCharge(func(payment.Charge) fake.Step { return sc.then })
	if sc.configure != nil {
		sc.configure(r.gateway)
	}
	if sc.second != nil {
		g := newTwoGateways(sc.script, sc.second.first)
		r.gateway, r.second = g.first, g.second
		r.gateway.OnCharge(func(payment.Charge) fake.Step { return sc.then })
		r.second.OnCharge(func(payment.Charge) fake.Step { return sc.second.then })
	}
	if sc.unreachable {
		r.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
	}
	r.request()
	for asked := 1; mode == retryUntilAnswered && asked < 20 && !r.answered(); asked++ {
		time.Sleep(time.Second)
		r.decidePending()
		r.request()
	}
	r.queues = true
	for waited := 0; waited < 120 && !r.finished(); waited++ {
		r.active()
		r.decidePending()
		time.Sleep(time.Second)
	}
	for _, replica := range r.replicas {
		if replica.endQueue != nil {
			replica.endQueue()
		}
	}
	require.NoError(t, r.check(), r)
	return r
}

// gateways returns the gateways, in the order in which the payment tries them.
func (r *run) gateways() []*fake.Gateway {
	if r.second == nil {
		return []*fake.Gateway{r.gateway}
	}
	return []*fake.Gateway{r.gateway, r.second}
}

// settled reports whether no request is on its way to a gateway.
func (r *run) settled() bool {
	return !slices.ContainsFunc(r.gateways(), func(g *fake.Gateway) bool { return !g.Settled() })
}

// received counts the attempts at all gateways.
func (r *run) received() (n int) {
	for _, g := range r.gateways() {
		n += len(g.Attempts())
	}
	return n
}

// decidePending decides the pending charges, once the time for it has come.
func (r *run) decidePending() {
	if r.scenario.decides == nil || r.since() < pendingTime {
		return
	}
	for _, g := range r.gateways() {
		for _, key := range g.Keys(order) {
			g.Complete(key, *r.scenario.decides)
		}
	}
}

// active returns the active replica, and starts one if there is none.
func (r *run) active() *crashable {
	var c *crashable
	if n := len(r.replicas); n > 0 && !r.replicas[n-1].isInactive() {
		c = r.replicas[n-1]
	} else {
		c = r.startReplica()
	}
	if r.queues && c.endQueue == nil {
		c.runQueue()
	}
	return c
}

func (r *run) startReplica() *crashable {
	c := &crashable{run: r, inactive: make(chan struct{})}
	r.replicas = append(r.replicas, c)
	name, settings := fmt.Sprintf("replica-%d", len(r.replicas)), func(s *core.Settings) {
		s.Lease, s.Wait, s.Late = 3*time.Second, time.Second, 5*time.Second
		s.LookupFirst, s.LookupMax = time.Second, 4*time.Second
		s.HeartbeatTimeout, s.PendingTimeout = 2500*time.Millisecond, 10*time.Second
	}
	if r.second == nil {
		c.replica = r.replica(name, settings)
	} else {
		c.replica = r.replicaOver(name, []ports.Gateway{r.gateway, r.second}, settings)
	}
	c.deactivate = sync.OnceFunc(func() { close(c.inactive) })
	c.wire.Fault = c.injectFault
	if len(r.replicas) == 1 && r.scenario.stop > 0 {
		go func() {
			time.Sleep(r.scenario.stop)
			c.deactivate()
			_, _ = c.stop()
		}()
	}
	return c
}

func (c *crashable) isInactive() bool {
	select {
	case <-c.inactive:
		return true
	default:
		return false
	}
}

// injectFault returns the fault of a call of the replica, nil for none.
func (c *crashable) injectFault(call fake.Call) fake.Fault {
	r := c.run
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.crashedAt.IsZero() {
		return fake.CrashBefore(exit)
	}
	if r.observe != nil {
		r.observe()
	}
	r.calls = append(r.calls, call.Method)
	for _, i := range r.injections {
		if i.call == len(r.calls) {
			r.injected++
			return i.kind.fault(c)
		}
	}
	return nil
}

func (c *crashable) crash() {
	c.run.mu.Lock()
	defer c.run.mu.Unlock()
	c.crashedAt = time.Now()
	c.deactivate()
}

// paused lets another replica become active while this one is paused, which it does not notice.
func (c *crashable) paused(f fake.Fault) fake.Fault {
	return func(ctx context.Context, call fake.Call, do func()) error {
		c.deactivate()
		return f(ctx, call, do)
	}
}

// request sends a client's request. It returns when the client gets a reply, or the replica becomes
// inactive.
func (r *run) request() {
	c, attempts := r.active(), r.received()
	replies := c.start(context.Background(), func(q *core.Request) { q.Async = r.mode == askAsync })
	done := make(chan struct{})
	r.addPending(1)
	go func() {
		defer close(done)
		defer r.addPending(-1)
		if got, answered := <-replies; answered {
			r.recordReply(c, got, attempts)
		}
	}()
	select {
	case <-done:
	case <-c.inactive:
		synctest.Wait() // it may have replied at the same moment
	}
}

// addPending adds to the number of pending requests, and returns it.
func (r *run) addPending(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending += n
	return r.pending
}

// recordReply records a reply, unless its replica had crashed before.
func (r *run) recordReply(c *crashable, got reply, attempts int) {
	p, _ := r.payments.Find(context.Background(), order)
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.crashedAt.IsZero() || time.Now().Equal(c.crashedAt) {
		r.replies = append(r.replies, clientReply{got, c.isInactive(), p, r.received() - attempts})
	}
}

// answered reports whether the client has no reason to ask again.
func (r *run) answered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.replies, func(got clientReply) bool { return got.err == nil })
}

// countInjected returns the number of injections that have happened.
func (r *run) countInjected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.injected
}

// finished reports whether the payment is final, or was never stored.
func (r *run) finished() bool {
	if r.addPending(0) > 0 { // first, because a request that returns after Find may have stored a payment
		return false
	}
	p, err := r.payments.Find(context.Background(), order)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return true
	case p.State == payment.StateUnresolved:
		return r.scenario.unreachable || r.needsPerson()
	case !p.State.Final() || !r.settled():
		return false
	}
	for _, k := range p.Keys {
		if !k.DueAt.IsZero() && !r.needsPerson() {
			return false // it is looked up again
		}
	}
	return true
}

// needsPerson reports whether only a person can resolve the payment.
func (r *run) needsPerson() bool {
	return r.scenario.keyLifetime > 0 && r.since() > r.scenario.keyLifetime+lookupPause
}

// lookupPause is longer than the pause between two lookups.
const lookupPause = 10 * time.Second

// hasEvidence reports whether a charge was found that the payment did not wait for.
func (r *run) hasEvidence() bool {
	return slices.Contains(r.events(), payment.EventEvidence)
}

// check returns an error if one of the guarantees that hold for every run is violated.
func (r *run) check() error {
	p, err := r.payments.Find(context.Background(), order)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		if len(r.taken()) > 0 || r.answered() {
			return errors.New("charged or answered, but not stored")
		}
		return nil
	case err != nil:
		return err
	}
	for _, check := range []func(payment.Payment) error{r.checkCharges, r.checkKeys, r.checkAttempts, r.checkReplies} {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

// charge is money that a gateway took.
type charge struct {
	gateway       payment.GatewayID
	key           payment.GatewayKey
	transactionID string
}

// taken returns the charges in the ledgers of all gateways.
func (r *run) taken() (all []charge) {
	for _, g := range r.gateways() {
		for _, t := range g.Taken() {
			all = append(all, charge{g.Capabilities().Gateway, t.Key, t.TransactionID})
		}
	}
	return all
}

// checkCharges checks the state against the charges in the ledgers of all gateways.
func (r *run) checkCharges(p payment.Payment) error {
	charges := r.taken()
	stored := charge{p.Gateway, p.GatewayKey, p.TransactionID}
	switch {
	case len(charges) > 1:
		return fmt.Errorf("charged %d times: %v", len(charges), charges)
	case !slices.Contains(r.scenario.final, p.State):
		return fmt.Errorf("the final state is %s, want one of %v", p.State, r.scenario.final)
	case len(r.injections) == 0 && r.second != nil && (p.State != r.scenario.final[0] || p.Gateway != r.scenario.ends):
		return fmt.Errorf("the final state is %s at %s without a fault, want %s at %s",
			p.State, p.Gateway, r.scenario.final[0], r.scenario.ends)
	case p.State == payment.StateSucceeded && (len(charges) != 1 || charges[0] != stored):
		return fmt.Errorf("succeeded with %v, and the charges are %v", stored, charges)
	case p.State != payment.StateSucceeded && !r.scenario.unreachable && len(charges) != 0 &&
		(p.State != payment.StateUnresolved || r.scenario.keyLifetime == 0):
		return fmt.Errorf("charged, but the final state is %s", p.State)
	}
	return nil
}

// checkKeys checks that each key was sent to one gateway only, and that each key before a gateway's last was
// declined. With two gateways, a decline at either replaces the keys of both.
func (r *run) checkKeys(payment.Payment) error {
	sentTo := make(map[payment.GatewayKey]*fake.Gateway)
	for _, g := range r.gateways() {
		keys := g.Keys(order)
		if len(keys) > 1 && r.scenario.final[0] != payment.StateDeclined {
			return fmt.Errorf("keys %v without a decline", keys)
		}
		for i, key := range keys {
			if other := sentTo[key]; other != nil {
				return fmt.Errorf("key %s was sent to two gateways", key)
			}
			sentTo[key] = g
			if i < len(keys)-1 && !r.declined(g, key) && (r.second == nil || !r.declinedAnywhere()) {
				return fmt.Errorf("key %s was replaced without a decline", key)
			}
		}
	}
	return nil
}

// declined reports whether a key was declined or its charge cancelled, by an answer or by the gateway's ledger.
func (r *run) declined(g *fake.Gateway, key payment.GatewayKey) bool {
	answered := slices.ContainsFunc(r.history().Attempts, func(a payment.Attempt) bool {
		return a.GatewayKey == key && a.Class == payment.ClassDeclined
	})
	found := g.LookUp(context.Background(), payment.ChargeRef{Key: key}).Result
	return answered || found == payment.FoundDeclined || found == payment.FoundVoided
}

// declinedAnywhere reports whether a key of the order was declined, at any gateway.
func (r *run) declinedAnywhere() bool {
	return slices.ContainsFunc(r.gateways(), func(g *fake.Gateway) bool {
		return slices.ContainsFunc(g.Keys(order), func(key payment.GatewayKey) bool { return r.declined(g, key) })
	})
}

// checkAttempts checks that each attempt is recorded once. Each fault may add a recorded attempt that
// was never made, or leave one unrecorded: that of a lost worker which made it nevertheless.
func (r *run) checkAttempts(payment.Payment) error {
	recorded, received, injected := r.history().Attempts, r.received(), r.countInjected()
	if len(recorded) < received-injected || len(recorded) > received+injected {
		return fmt.Errorf("%d attempts at the gateway, %d recorded", received, len(recorded))
	}
	for i, a := range recorded {
		if a.Number != i+1 || a.Class == "" {
			return fmt.Errorf("recorded attempt %d is %+v", i+1, a)
		}
	}
	return nil
}

// checkReplies checks that each reply was true, and that the last one still is.
func (r *run) checkReplies(p payment.Payment) error {
	evidence := r.hasEvidence()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, got := range r.replies {
		if err := got.check(p, i == len(r.replies)-1 && !evidence); err != nil {
			return fmt.Errorf("reply %d: %w", i+1, err)
		}
	}
	return nil
}

// check checks one reply against the payment as it is at the end.
func (got clientReply) check(p payment.Payment, last bool) error {
	switch {
	case errors.Is(got.err, ports.ErrUnavailable) && got.attempts > 0:
		return errors.New("replied that nothing was charged, after an attempt")
	case got.err != nil || !got.State.Final():
		return nil //nolint:nilerr // an error says nothing about the outcome
	case got.State == payment.StateSucceeded && p.TransactionID != got.TransactionID:
		return fmt.Errorf("replied transaction %s, stored at the end is %s", got.TransactionID, p.TransactionID)
	case got.late:
		return nil // it was true when the replica read it
	case got.stored.State != got.State || got.stored.TransactionID != got.TransactionID:
		return fmt.Errorf("replied %s before it was durable: %s", got.State, got.stored.State)
	case last && p.State != got.State:
		return fmt.Errorf("replied %s, but the final state is %s without another request", got.State, p.State)
	}
	return nil
}

// String describes the run, to find out why a check failed.
func (r *run) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s strings.Builder
	fmt.Fprintf(&s, "%s, %s\n", r.scenario.name, r.mode)
	for n, call := range r.calls {
		fmt.Fprintf(&s, "%3d %s", n+1, call)
		for _, i := range r.injections {
			if i.call == n+1 {
				fmt.Fprintf(&s, ": %s", i.kind.name)
			}
		}
		s.WriteByte('\n')
	}
	for _, got := range r.replies {
		fmt.Fprintf(&s, "reply after %v: %+v %v\n", got.took, got.Answer, got.err)
	}
	return s.String()
}
