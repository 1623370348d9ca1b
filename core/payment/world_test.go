package payment_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

// world is one order among requests, queues, workers that are slow, dead or late, people who tell the
// truth, clocks that step, and two gateways that take money late and forget keys. It knows what is
// true, by a time of its own; the decisions only see what the service sees. Whatever happens in
// whatever order: the money is taken once at most.
type world struct {
	now     time.Time     // the true time, which workers have
	ahead   time.Duration // of the database's clock
	rules   payment.KeyRules
	stored  bool
	payment payment.Payment
	workers []*worker
	charges []charge // on their way, or made
	minted  int
	only    *worker // the one that acts next, of a round or a lookup; nil for any
}

// charge is a request that arrives at a gateway, at some time, and takes the money unless the
// gateway remembers its key.
type charge struct {
	gateway payment.GatewayID
	key     payment.GatewayKey
	arrives time.Time
	taken   bool
	decided payment.Class // what the gateway remembers of the key: approved or declined
}

// worker holds a claim, or the answer to a lookup.
type worker struct {
	rules   payment.KeyRules
	payment payment.Payment // as it was when the worker last wrote
	until   time.Time       // when its lease is over
	last    *payment.AttemptEnd
	lookup  *payment.LookupRecord // that is to be recorded
}

func TestTheMoneyIsTakenOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{now: noon, rules: rules()}
		w.rules.HonoursKeys = rapid.IntRange(0, 4).Draw(t, "honours keys") > 0
		w.rules.SavesDeclines = rapid.Bool().Draw(t, "saves declines")
		w.rules.SavesErrors = rapid.Bool().Draw(t, "saves errors")
		if rapid.Bool().Draw(t, "lags") {
			w.rules.LookupLag = 10 * time.Second
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask": w.ask, "pick up": w.pickUp, "pick up a key": w.pickUpKey,
			"send": w.send, "send again": w.send, "renew": w.renew, "conclude": w.conclude, "conclude too": w.conclude,
			"record": w.record, "record twice": w.recordTwice, "die": w.die, "silent": w.silent,
			"resolve": w.resolve, "import": w.imported,
			"round": w.round, "round too": w.round, "reconcile": w.reconcile, "reconcile too": w.reconcile,
			"wait": w.wait, "wait too": w.wait, "step": w.step, "configure": w.configure,
			"": w.requireOnce,
		})
	})
}

func (w *world) requireOnce(t *rapid.T) {
	taken := 0
	for _, c := range w.charges {
		if c.taken {
			taken++
		}
	}
	require.LessOrEqual(t, taken, 1, "charged twice: %+v\n%+v", w.charges, w.payment)
	if p := w.payment; p.State == payment.StateDeclined || p.State == payment.StateFailed {
		for _, c := range w.charges {
			open := c.decided == "" && w.remembered(c.gateway, c.key, c.arrives) == ""
			require.False(t, c.key == p.GatewayKey && c.gateway == p.Gateway && (c.taken || open),
				"the payment is %s, and a charge was made or is on its way: %+v\n%+v", p.State, c, p)
		}
	}
}

func (w *world) database() time.Time { return w.now.Add(w.ahead) }

func (w *world) seen() payment.Instant { return payment.Instant{DB: w.database(), Worker: w.now} }

// arrive lets the gateways decide what has arrived by now.
func (w *world) arrive() {
	for i := range w.charges {
		c := &w.charges[i]
		if c.decided != "" || c.arrives.After(w.now) {
			continue
		}
		if known := w.remembered(c.gateway, c.key, c.arrives); known != "" {
			c.decided = known
			continue
		}
		c.decided, c.taken = payment.ClassApproved, true
	}
}

// remembered is what a gateway repeats for a key at a time: nothing, if it does not honour keys.
func (w *world) remembered(gateway payment.GatewayID, key payment.GatewayKey, when time.Time) payment.Class {
	if !w.rules.HonoursKeys {
		return ""
	}
	return w.known(gateway, key, when)
}

// known is what a gateway knows of a key at a time.
func (w *world) known(gateway payment.GatewayID, key payment.GatewayKey, when time.Time) payment.Class {
	for _, c := range w.charges {
		if c.gateway == gateway && c.key == key && c.decided != "" && when.Sub(c.arrives) < w.rules.KeyLifetime {
			return c.decided
		}
	}
	return ""
}

func (w *world) store(t *rapid.T, d payment.Decision) {
	if d.Write {
		require.Equal(t, d.Payment.State.Final(), d.Payment.DueAt.IsZero(), "%+v", d.Payment)
		require.Equal(t, w.payment.Money, d.Payment.Money)
		if w.payment.State == payment.StateSucceeded {
			require.Equal(t, w.payment.TransactionID, d.Payment.TransactionID, "a success is final")
		}
		w.payment = d.Payment
	}
	w.payment.Keys = d.Payment.Keys
}

// work starts a worker with what was decided.
func (w *world) work(t *rapid.T, d payment.Decision) {
	switch d.Verdict {
	case payment.VerdictClaimed:
		w.workers = append(w.workers, &worker{rules: w.rules, payment: w.payment, until: w.now.Add(lease)})
	case payment.VerdictLookUp:
		key := d.Payment.GatewayKey
		if d.LookUp != "" {
			key = d.LookUp
		}
		w.lookUp(t, &worker{rules: w.rules, payment: d.Payment}, key, payment.Result{}, nil)
	default:
	}
}

func (w *world) ask(t *rapid.T) {
	w.minted++
	a := ask(t, payment.GatewayKey(fmt.Sprintf("key-%d", w.minted)))
	a.Rules, a.Worker = w.rules, w.now
	a.Deferred = rapid.IntRange(0, 3).Draw(t, "later") == 0
	if !w.stored {
		w.stored, w.payment = true, a.Open(w.database())
		if !a.Deferred {
			w.workers = append(w.workers, &worker{rules: w.rules, payment: w.payment, until: w.now.Add(lease)})
		}
		return
	}
	d := a.Decide(w.payment, w.database())
	w.store(t, d)
	w.work(t, d)
}

func (w *world) terms() payment.PickUpPolicy {
	w.minted++
	on := terms()
	on.Rules, on.Worker = w.rules, w.now
	key := payment.GatewayKey(fmt.Sprintf("key-%d", w.minted))
	on.NewKey = func() payment.GatewayKey { return key }
	return on
}

func (w *world) pickUp(t *rapid.T) {
	if !w.stored {
		return
	}
	d := w.terms().PickUp(w.payment, w.database())
	w.store(t, d)
	w.work(t, d)
}

func (w *world) pickUpKey(t *rapid.T) {
	if len(w.payment.Keys) == 0 {
		return
	}
	k := rapid.SampledFrom(w.payment.Keys).Draw(t, "key")
	if k.Gateway != "" && k.Gateway != w.rules.Gateway {
		return
	}
	d := w.terms().PickUpKey(w.payment, k.Key, w.database())
	w.store(t, d)
	w.work(t, d)
}

func (w *world) one(t *rapid.T) *worker {
	if len(w.workers) == 0 {
		return nil
	}
	if w.only != nil && slices.Contains(w.workers, w.only) {
		return w.only
	}
	return rapid.SampledFrom(w.workers).Draw(t, "worker")
}

func (w *world) leave(gone *worker) {
	for i, other := range w.workers {
		if other == gone {
			w.workers = append(w.workers[:i:i], w.workers[i+1:]...)
			return
		}
	}
}

func (k *worker) String() string { return string(k.payment.GatewayKey) }

// mayBegin reports whether the worker has an attempt to make, by the rules of package core.
func (w *world) mayBegin(k *worker) bool {
	return k.lookup == nil && k.last == nil && w.now.Before(k.until) &&
		(!k.payment.Doubt.Any() || !k.rules.Expired(k.payment.KeySent, k.payment.KeyLifetime, w.seen()))
}

// send makes an attempt, which may take the money now, later or never, and is answered or not.
func (w *world) send(t *rapid.T) {
	k := w.one(t)
	if k == nil || !w.mayBegin(k) {
		return
	}
	p := k.payment
	fate := rapid.SampledFrom(allClasses).Draw(t, "class")
	r := of(fate)
	sent := charge{gateway: k.rules.Gateway, key: p.GatewayKey, arrives: w.now}
	known := w.remembered(sent.gateway, sent.key, w.now)
	switch fate {
	case payment.ClassNotCharged, payment.ClassRejected:
	case payment.ClassKeyReused, payment.ClassPending:
		if known == "" {
			r.Class = payment.ClassNotCharged // a gateway says neither of a key that it does not know
		}
	case payment.ClassApproved, payment.ClassDeclined:
		if known != "" {
			r.Class = known
			break
		}
		sent.decided, sent.taken = fate, fate == payment.ClassApproved
		if fate == payment.ClassApproved || w.rules.SavesDeclines {
			w.charges = append(w.charges, sent)
		}
	case payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered:
		if rapid.Bool().Draw(t, "charges") {
			if fate == payment.ClassUnknownUnanswered {
				sent.arrives = w.now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, late - 1}).Draw(t, "arrives"))
			}
			w.charges = append(w.charges, sent)
			w.arrive()
		}
	}
	if r.Class == payment.ClassApproved {
		r.TransactionID = string("txn-" + p.GatewayKey)
	}
	k.last = ended(r)
}

// renew plans another attempt after this one.
func (w *world) renew(t *rapid.T) {
	k := w.one(t)
	if k == nil || k.last == nil || k.lookup != nil || !k.last.Class.Retryable() ||
		k.last.Class.Unknown() && !k.rules.HonoursKeys {
		return
	}
	r := payment.Renewal{ClaimRef: k.payment.ClaimRef(), End: *k.last, Worker: w.now, Next: true, Lease: lease}
	d, err := r.Apply(w.payment, w.database())
	if err != nil {
		w.leave(k)
		return
	}
	w.store(t, d)
	if rapid.IntRange(0, 4).Draw(t, "answer lost") > 0 {
		k.payment, k.last, k.until = w.payment, nil, w.now.Add(lease)
		return
	}
	again, err := r.Apply(w.payment, w.database())
	require.NoError(t, err)
	w.store(t, again)
	k.payment, k.last, k.until = w.payment, nil, w.now.Add(lease)
}

// conclude ends a round: with an outcome, a hand-over to the queue, or a lookup.
func (w *world) conclude(t *rapid.T) {
	k := w.one(t)
	if k == nil || k.lookup != nil {
		return
	}
	st := payment.Settlement{ClaimRef: k.payment.ClaimRef(), Worker: w.now, End: k.last}
	doubt, result := k.payment.Doubt, payment.Result{}
	if k.last != nil {
		result = k.last.Result
		doubt = doubt.With(result.Class, w.seen())
	}
	o, sure := result.Outcome(doubt)
	switch {
	case rapid.IntRange(0, 3).Draw(t, "hand over") == 0 && result.Class != payment.ClassApproved &&
		result.Class != payment.ClassDeclined:
		st.Outcome = payment.Outcome{State: payment.StateScheduled, DueIn: time.Second}
	case sure:
		st.Outcome = o
	default:
		w.lookUp(t, k, k.payment.GatewayKey, result, k.last)
		return
	}
	d, err := st.Apply(w.payment, w.database())
	w.leave(k)
	if err != nil {
		if result.Class == payment.ClassApproved {
			w.keep(t, payment.Approval{
				Key: k.payment.GatewayKey, Gateway: k.rules.Gateway, TransactionID: result.TransactionID,
				Rules: k.rules, Worker: w.now,
			})
		}
		return
	}
	w.store(t, d)
}

func (w *world) keep(t *rapid.T, a payment.Approval) {
	d, err := a.Apply(w.payment, w.database())
	require.NoError(t, err)
	require.NotEqual(t, payment.VerdictDouble, d.Verdict)
	require.Equal(t, payment.StateSucceeded, d.Payment.State)
	w.store(t, d)
}

// lookUp asks the gateway, which may not see the latest charges yet, and may not answer.
func (w *world) lookUp(t *rapid.T, k *worker, key payment.GatewayKey, last payment.Result, end *payment.AttemptEnd) {
	l := record(k.rules, k.payment, payment.FoundNoAnswer, w.seen())
	l.Key, l.Last, l.End = key, last, end
	if rapid.IntRange(0, 4).Draw(t, "answered") > 0 {
		switch w.known(k.rules.Gateway, key, w.now.Add(-w.rules.LookupLag)) {
		case payment.ClassApproved:
			l.Result.Result = payment.FoundApproved
		case payment.ClassDeclined:
			l.Result.Result = payment.FoundDeclined
		default:
			l.Result.Result = payment.FoundNothing
		}
		for _, c := range w.charges { // the lag hides the latest
			if c.gateway == k.rules.Gateway && c.key == key && c.decided != "" && l.Result.Result != payment.FoundNothing &&
				c.arrives.After(w.now.Add(-w.rules.LookupLag)) && w.rules.LookupLag > 0 {
				l.Result.Result = payment.FoundNothing
			}
		}
	}
	l.Result.TransactionID = string("txn-" + key)
	k.lookup = &l
	k.last = nil
	if end == nil && !slices.Contains(w.workers, k) {
		w.workers = append(w.workers, k)
	}
}

// record writes the answer to a lookup, some time after it came.
func (w *world) record(t *rapid.T) {
	if k := w.one(t); k != nil && k.lookup != nil {
		w.recordOf(t, k)
	}
}

func (w *world) recordOf(t *rapid.T, k *worker) {
	l := *k.lookup
	l.Worker = w.now
	d, err := l.Apply(w.payment, w.database())
	w.leave(k)
	if err != nil {
		require.ErrorIs(t, err, payment.ErrFenced)
		require.NotEqual(t, payment.FoundApproved, l.Result.Result, "a charge always counts")
		return
	}
	require.NotEqual(t, payment.VerdictDouble, d.Verdict)
	w.store(t, d)
}

// recordTwice loses the answer to the first.
func (w *world) recordTwice(t *rapid.T) {
	k := w.one(t)
	if k == nil || k.lookup == nil {
		return
	}
	l, before := *k.lookup, w.payment.Fence
	l.Worker = w.now
	w.recordOf(t, k)
	after := w.payment
	d, err := l.Apply(w.payment, w.database())
	if err != nil {
		return
	}
	require.LessOrEqual(t, d.Payment.Fence, before+1)
	require.Equal(t, after.State, d.Payment.State)
	require.Equal(t, after.DeferredRetries, d.Payment.DeferredRetries)
	w.store(t, d)
}

func (w *world) die(t *rapid.T) {
	if k := w.one(t); k != nil && (k.last == nil || k.last.Class != payment.ClassApproved) {
		w.leave(k)
	}
}

// silent ends the lease of a replica without a heartbeat; its worker may be alive.
func (w *world) silent(*rapid.T) {
	if w.payment.Claimed(w.database()) {
		w.payment.DueAt = w.database()
	}
}

// certain reports whether the order's money is taken, and whether it can still be.
func (w *world) certain() (taken *charge, sure bool) {
	sure = len(w.workers) == 0
	for i := range w.charges {
		if w.charges[i].taken {
			taken = &w.charges[i]
		}
		sure = sure && w.charges[i].decided != ""
	}
	return taken, sure
}

// round is what usually happens: a request, some attempts, and how they end.
func (w *world) round(t *rapid.T) {
	before := len(w.workers)
	w.ask(t)
	w.finish(t, before)
}

// finish lets the worker that has come go on to its end, more or less.
func (w *world) finish(t *rapid.T, before int) {
	if len(w.workers) <= before {
		return
	}
	w.only = w.workers[len(w.workers)-1]
	defer func() { w.only = nil }()
	for range rapid.IntRange(0, 2).Draw(t, "attempts") {
		w.send(t)
		w.renew(t)
	}
	w.send(t)
	if rapid.IntRange(0, 5).Draw(t, "stalls") == 0 {
		return
	}
	if slices.Contains(w.workers, w.only) {
		w.conclude(t)
	}
	if rapid.IntRange(0, 3).Draw(t, "takes its time") == 0 {
		return
	}
	if slices.Contains(w.workers, w.only) {
		w.record(t)
	}
}

// reconcile lets the queue do what is due next, when it is.
func (w *world) reconcile(t *rapid.T) {
	if !w.stored {
		return
	}
	due := w.payment.DueAt
	var key payment.GatewayKey
	for _, k := range w.payment.Keys {
		if !k.DueAt.IsZero() && (due.IsZero() || k.DueAt.Before(due)) {
			due, key = k.DueAt, k.Key
		}
	}
	if due.IsZero() {
		return
	}
	if in := due.Sub(w.database()); in > 0 && in < time.Hour {
		w.now = w.now.Add(in)
		w.arrive()
	}
	before, on := len(w.workers), w.terms()
	d := on.PickUp(w.payment, w.database())
	if key != "" {
		d = on.PickUpKey(w.payment, key, w.database())
	}
	w.store(t, d)
	w.work(t, d)
	w.finish(t, before)
}

// resolve is a person's true word.
func (w *world) resolve(t *rapid.T) {
	taken, sure := w.certain()
	if !w.stored || taken == nil && !sure {
		return
	}
	r := resolution(payment.Outcome{State: payment.StateFailed, Reason: "not on the statement"})
	if taken != nil {
		if taken.key != w.payment.GatewayKey {
			return
		}
		r.Outcome = payment.Outcome{State: payment.StateSucceeded, TransactionID: string("txn-" + taken.key)}
	}
	r.Rules, r.Worker, r.InFlight = w.rules, w.now, rapid.Bool().Draw(t, "in flight")
	if d, err := r.Apply(w.payment, w.database()); err == nil {
		w.store(t, d)
	}
}

// imported is a person's charge from the books, which are true.
func (w *world) imported(t *rapid.T) {
	taken, _ := w.certain()
	if !w.stored || taken == nil || rapid.IntRange(0, 3).Draw(t, "import") > 0 {
		return
	}
	i := payment.Import{
		Charge:  payment.Charge{Key: taken.key, OrderID: "order-1", Money: w.payment.Money},
		Gateway: taken.gateway, TransactionID: string("txn-" + taken.key), By: "ada", Rules: w.rules, Worker: w.now,
	}
	if d, err := i.Apply(w.payment, w.database()); err == nil {
		w.store(t, d)
	}
}

func (w *world) wait(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{
		time.Second, 5 * time.Second, lease, lease + 20*time.Second, late, 10 * time.Minute, 23 * time.Hour, 25 * time.Hour,
	}).Draw(t, "wait"))
	w.arrive()
}

// step moves the database's clock.
func (w *world) step(t *rapid.T) {
	w.ahead += rapid.SampledFrom([]time.Duration{
		-time.Hour, -time.Minute, time.Minute, time.Hour, 30 * time.Hour,
	}).Draw(t, "step")
}

// configure points the service at the other gateway, after a restart: no worker outlives it.
func (w *world) configure(t *rapid.T) {
	if rapid.IntRange(0, 5).Draw(t, "other gateway") > 0 {
		return
	}
	w.workers = nil
	if w.rules.Gateway = "https://gateway.example"; rapid.Bool().Draw(t, "other") {
		w.rules.Gateway = "https://other.example"
	}
}
