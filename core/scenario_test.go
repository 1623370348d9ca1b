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

// plot is what the gateway does to a payment, and what must become of it.
type plot struct {
	name   string
	script []fake.Step     // of the first attempts
	then   fake.Step       // of all others
	ends   []payment.State // any of these
	// unreachable: lookups get no answer either, and the payment stays unresolved.
	unreachable bool
	// stop is when the first replica is stopped; zero for never.
	stop time.Duration
	// proves changes what the gateway can prove. Nil for what the gateway protocol promises.
	proves func(*fake.Gateway)
	// forgets is after how long a lookup proves nothing any more; zero for never.
	forgets time.Duration
}

// Two faults cost two attempts of a round at most, so of four attempts the last is approved where
// one step comes before it.
var plots = []plot{
	{name: "approved", then: fake.Approve(), ends: or(payment.StateSucceeded)},
	{name: "declined", then: fake.Decline("card_declined"), ends: or(payment.StateDeclined)},
	{
		name: "transient, then approved", script: []fake.Step{fake.Refuse()},
		then: fake.Approve(), ends: or(payment.StateSucceeded),
	},
	{
		name: "unknown, then approved", script: []fake.Step{fake.Timeout()},
		then: fake.Approve(), ends: or(payment.StateSucceeded),
	},
	{
		name: "unknown, the money taken", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Approve(), ends: or(payment.StateSucceeded),
	},
	{name: "exhausted, not charged", then: fake.Refuse(), ends: or(payment.StateFailed)},
	{
		name: "exhausted, the money taken", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Timeout(), ends: or(payment.StateSucceeded),
	},
	{
		name: "exhausted, charged late", script: append(four(fake.Timeout())[:3], fake.ChargeLate(4*time.Second)),
		then: fake.Timeout(), ends: or(payment.StateSucceeded, payment.StateFailed), // where a fault took its place
	},
	{
		name: "approved, then refused", script: []fake.Step{fake.Approve()},
		then: fake.Refuse(), ends: or(payment.StateSucceeded, payment.StateFailed), // where a fault took its place
	},
	{name: "exhausted, unknown", then: fake.Timeout(), ends: or(payment.StateFailed)},
	{
		name: "exhausted, unreachable", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Timeout(), ends: or(payment.StateUnresolved), unreachable: true,
	},
	{
		name: "stopped in backoff", script: []fake.Step{fake.Refuse(), fake.LoseAnswer()},
		then: fake.Approve(), ends: or(payment.StateSucceeded), stop: 500 * time.Millisecond,
	},
	{
		name: "the money taken, and the repeat declined", script: []fake.Step{fake.LoseAnswer()},
		then: fake.DeclineAttempt("duplicate_transaction"), ends: or(payment.StateSucceeded),
	},
	{
		name: "the money not taken, and the repeat declined", script: []fake.Step{fake.Timeout()},
		then: fake.DeclineAttempt("card_declined"), ends: or(payment.StateDeclined),
	},
	{
		name: "answered by something in between, the money taken", script: []fake.Step{fake.Intermediary(402, fake.Approve())},
		then: fake.Intermediary(503, fake.Timeout()), ends: or(payment.StateSucceeded),
	},
	{
		name: "answered by something in between, never passed on",
		then: fake.Intermediary(402, fake.Timeout()), ends: or(payment.StateFailed),
	},
	{
		name: "still running, says the gateway", script: []fake.Step{fake.LoseAnswer()},
		then: fake.Running(), ends: or(payment.StateSucceeded),
	},
	{
		name: "lookups lag as declared", script: []fake.Step{fake.Stumble()}, then: fake.Unavailable(),
		ends: or(payment.StateSucceeded), proves: func(g *fake.Gateway) { g.LagLookUps(3 * time.Second) },
	},
	{
		// The first look finds nothing, and the second the charge.
		name: "lookups lag for longer than declared", script: append(four(fake.Unavailable())[:3], fake.Stumble()),
		then: fake.Unavailable(), ends: or(payment.StateSucceeded, payment.StateFailed), // if a fault took its place
		proves: func(g *fake.Gateway) {
			g.LagLookUps(4 * time.Second)
			g.Declare(func(c *payment.Capabilities) { c.LookupLag = 0 })
		},
	},
	{
		// It is sent for five seconds: the lifetime less the timeout of an attempt and [core.Settings.Late].
		name: "the key is forgotten", script: []fake.Step{fake.LoseAnswer()}, then: fake.Timeout(),
		ends: forgotten, forgets: keyLifetime,
		proves: func(g *fake.Gateway) { g.ForgetAfter(keyLifetime) },
	},
	{
		name: "the key is forgotten, and repeats are charged", script: []fake.Step{fake.LoseAnswer(), fake.Timeout()}, then: fake.Approve(),
		ends: forgotten, forgets: keyLifetime,
		proves: func(g *fake.Gateway) { g.ForgetAfter(keyLifetime) },
	},
}

// forgotten: it is failed if the worker was lost before it sent the key.
var forgotten = or(payment.StateSucceeded, payment.StateUnresolved, payment.StateFailed)

// keyLifetime is that of a gateway that forgets keys.
const keyLifetime = gatewayTimeout + 10*time.Second

func or(s ...payment.State) []payment.State { return s }

// course is who goes on after a fault.
type course string

const (
	askedAgain course = "asked again until answered"
	askedOnce  course = "asked once, and carried on by the queue"
	accepted   course = "accepted for later"
)

var courses = []course{askedAgain, askedOnce, accepted}

// life is that of one payment, from the first request to its end.
type life struct {
	*world

	plot   plot
	course course
	blows  []blow

	queues   bool      // the replicas run one
	replicas []*mortal // the last serves; when it is gone, another takes its place

	mu     sync.Mutex // guards what follows, and mortal.died
	calls  []string   // methods, of all replicas
	struck int        // blows that have fallen
	told   []testimony
	asking int // requests that a replica is at, paused or not
}

// mortal is a replica that can be killed.
type mortal struct {
	*replica

	life  *life
	gone  chan struct{} // closed by leave: when it dies, is paused, or begins to stop
	leave func()
	died  time.Time
}

// testimony is what a client was told, and what was true at that moment.
type testimony struct {
	reply

	late     bool // by a replica that was gone already
	stored   payment.Payment
	attempts int // that the gateway saw since the client asked
}

// live lives a life, and checks it.
func live(t *testing.T, plot plot, course course, blows ...blow) *life {
	t.Helper()
	l := &life{
		world: &world{
			t: t, began: time.Now(), mute: true,
			payments: fake.NewPayments(), gateway: fake.NewGateway(plot.script...),
		},
		plot: plot, course: course, blows: blows, queues: course != askedAgain,
	}
	l.gateway.OnCharge(func(payment.Charge) fake.Step { return plot.then })
	if plot.proves != nil {
		plot.proves(l.gateway)
	}
	if plot.unreachable {
		l.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
	}
	l.ask()
	for asked := 1; course == askedAgain && asked < 20 && !l.answered(); asked++ {
		time.Sleep(time.Second)
		l.ask()
	}
	l.queues = true
	for waited := 0; waited < 120 && !l.over(); waited++ {
		l.serving()
		time.Sleep(time.Second)
	}
	for _, r := range l.replicas {
		if r.endQueue != nil {
			r.endQueue()
		}
	}
	require.NoError(t, l.check(), l)
	return l
}

// serving returns the replica that serves.
func (l *life) serving() *mortal {
	var r *mortal
	if n := len(l.replicas); n > 0 && !l.replicas[n-1].isGone() {
		r = l.replicas[n-1]
	} else {
		r = l.bear()
	}
	if l.queues && r.endQueue == nil {
		r.runQueue()
	}
	return r
}

func (l *life) bear() *mortal {
	r := &mortal{life: l, gone: make(chan struct{})}
	l.replicas = append(l.replicas, r)
	r.replica = l.replica(fmt.Sprintf("replica-%d", len(l.replicas)), func(s *core.Settings) {
		s.Lease, s.Wait, s.Late = 3*time.Second, time.Second, 5*time.Second
		s.LookupFirst, s.LookupMax = time.Second, 4*time.Second
		s.HeartbeatTimeout = 2500 * time.Millisecond
	})
	r.leave = sync.OnceFunc(func() { close(r.gone) })
	r.wire.Fault = r.befall
	if len(l.replicas) == 1 && l.plot.stop > 0 {
		go func() {
			time.Sleep(l.plot.stop)
			r.leave()
			_, _ = r.stop()
		}()
	}
	return r
}

func (r *mortal) isGone() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

// befall says what befalls a call of the replica.
func (r *mortal) befall(c fake.Call) fake.Fault {
	l := r.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.died.IsZero() {
		return fake.CrashBefore(exit)
	}
	l.calls = append(l.calls, c.Method)
	for _, b := range l.blows {
		if b.n == len(l.calls) {
			l.struck++
			return b.manner.fault(r)
		}
	}
	return nil
}

func (r *mortal) kill() {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	r.died = time.Now()
	r.leave()
}

// paused lets another replica take the place of this one, which does not know it.
func (r *mortal) paused(f fake.Fault) fake.Fault {
	return func(ctx context.Context, c fake.Call, do func()) error {
		r.leave()
		return f(ctx, c, do)
	}
}

// ask is what a client does. It returns when the client is told something, or the replica that
// it asked is gone.
func (l *life) ask() {
	r, seen := l.serving(), len(l.gateway.Attempts())
	told := r.start(context.Background(), func(q *core.Request) { q.Async = l.course == accepted })
	done := make(chan struct{})
	l.addAsking(1)
	go func() {
		defer close(done)
		defer l.addAsking(-1)
		if a, answered := <-told; answered {
			l.note(r, a, seen)
		}
	}()
	select {
	case <-done:
	case <-r.gone:
		synctest.Wait() // it may have answered with its last breath
	}
}

// addAsking counts the requests that a replica is at, and returns how many there are.
func (l *life) addAsking(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asking += n
	return l.asking
}

// note keeps what a client was told. The dead tell nothing.
func (l *life) note(r *mortal, a reply, seen int) {
	p, _ := l.payments.Find(context.Background(), order)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.died.IsZero() || time.Now().Equal(r.died) {
		l.told = append(l.told, testimony{a, r.isGone(), p, len(l.gateway.Attempts()) - seen})
	}
}

// answered reports whether the client has no reason to ask again.
func (l *life) answered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.told, func(t testimony) bool { return t.err == nil })
}

// hasStruck counts the blows that have fallen.
func (l *life) hasStruck() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.struck
}

// over reports whether the payment has come to its end, or has never begun.
func (l *life) over() bool {
	if l.addAsking(0) > 0 { // first: a request that is answered in the meantime may have stored a payment
		return false
	}
	p, err := l.payments.Find(context.Background(), order)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return true
	case p.State == payment.StateUnresolved:
		return l.plot.unreachable || l.forgotten()
	case !p.State.Final() || !l.gateway.Settled():
		return false
	}
	for _, k := range p.Keys {
		if !k.DueAt.IsZero() && !l.forgotten() {
			return false // it is looked up again
		}
	}
	return true
}

// forgotten reports whether only a person can resolve the payment.
func (l *life) forgotten() bool {
	return l.plot.forgets > 0 && l.since() > l.plot.forgets+lookups
}

// lookups is longer than the pause between two of them.
const lookups = 10 * time.Second

// evidence reports whether a charge came to light that the payment did not wait for.
func (l *life) evidence() bool {
	return slices.Contains(l.events(), payment.EventEvidence)
}

// check says what must hold at the end of every life.
func (l *life) check() error {
	p, err := l.payments.Find(context.Background(), order)
	charges, keys := l.gateway.Charges(order), l.gateway.Keys(order)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		if charges > 0 || l.answered() {
			return errors.New("forgotten")
		}
		return nil
	case err != nil:
		return err
	case charges > 1:
		return fmt.Errorf("charged %d times", charges)
	case !slices.Contains(l.plot.ends, p.State):
		return fmt.Errorf("ended as %s, want %v", p.State, l.plot.ends)
	case p.State == payment.StateSucceeded && (charges != 1 || p.TransactionID != l.gateway.Taken()[0].TransactionID):
		return fmt.Errorf("succeeded as %s, with %d charges", p.TransactionID, charges)
	case p.State != payment.StateSucceeded && !l.plot.unreachable && charges != 0 &&
		(p.State != payment.StateUnresolved || l.plot.forgets == 0):
		return fmt.Errorf("charged, and ended as %s", p.State)
	case len(keys) > 1 && l.plot.ends[0] != payment.StateDeclined:
		return fmt.Errorf("keys %v without a decline", keys)
	}
	for _, key := range keys[:max(0, len(keys)-1)] {
		declined := slices.ContainsFunc(l.history().Attempts, func(a payment.Attempt) bool {
			return a.GatewayKey == key && a.Class == payment.ClassDeclined
		})
		if !declined && l.gateway.LookUp(context.Background(), key).Result != payment.FoundDeclined {
			return fmt.Errorf("key %s was given up without a decline", key)
		}
	}
	if err := l.checkRecord(); err != nil {
		return err
	}
	evidence := l.evidence()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, told := range l.told {
		if err := told.check(p, i == len(l.told)-1 && !evidence); err != nil {
			return fmt.Errorf("told %d: %w", i+1, err)
		}
	}
	return nil
}

// checkRecord says whether each attempt is on record, once. A fault can leave one on record that
// was never made, or keep one from it: of a replica that fell silent, and made it all the same.
func (l *life) checkRecord() error {
	recorded, seen, struck := l.history().Attempts, len(l.gateway.Attempts()), l.hasStruck()
	if len(recorded) < seen-struck || len(recorded) > seen+struck {
		return fmt.Errorf("%d attempts at the gateway, %d on record", seen, len(recorded))
	}
	for i, a := range recorded {
		if a.Number != i+1 || a.Class == "" {
			return fmt.Errorf("attempt %d on record is %+v", i+1, a)
		}
	}
	return nil
}

// check says whether what was told was true, and still is at the end.
func (told testimony) check(end payment.Payment, last bool) error {
	switch {
	case errors.Is(told.err, ports.ErrUnavailable) && told.attempts > 0:
		return errors.New("told that nothing was charged, after an attempt")
	case told.err != nil || !told.State.Final():
		return nil //nolint:nilerr // an error tells nothing of the outcome
	case told.State == payment.StateSucceeded && end.TransactionID != told.TransactionID:
		return fmt.Errorf("told %s, ended as %s", told.TransactionID, end.TransactionID)
	case told.late:
		return nil // it was so when the replica looked
	case told.stored.State != told.State || told.stored.TransactionID != told.TransactionID:
		return fmt.Errorf("told %s before it was durable: %s", told.State, told.stored.State)
	case last && end.State != told.State:
		return fmt.Errorf("told %s, ended as %s with nobody asking", told.State, end.State)
	}
	return nil
}

// String tells the life, for whoever has to find out why it went wrong.
func (l *life) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s strings.Builder
	fmt.Fprintf(&s, "%s, %s\n", l.plot.name, l.course)
	for i, call := range l.calls {
		fmt.Fprintf(&s, "%3d %s", i+1, call)
		for _, b := range l.blows {
			if b.n == i+1 {
				fmt.Fprintf(&s, ": %s", b.manner.name)
			}
		}
		s.WriteByte('\n')
	}
	for _, told := range l.told {
		fmt.Fprintf(&s, "told after %v: %+v %v\n", told.took, told.Answer, told.err)
	}
	return s.String()
}
