package properties_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

// world is a model of one order with requests, queues, workers that are slow, lost or late, operators
// whose resolutions are true, clocks that step, and two gateways that take money late and forget keys.
// It has the true time and the true charges; the decisions only see what the service sees. In every
// order of events, the money is taken at most once.
type world struct {
	now     time.Time     // the true time, and that of the workers' clocks
	ahead   time.Duration // of the database's clock
	rules   payment.KeyRules
	stored  bool
	payment payment.Payment
	workers []*worker
	charges []charge // on their way, or decided
	newKeys int
	only    *worker // the one that acts next; nil for any
	refund  *refund // what is refunded; nil for the charge of an order
}

// charge is a request that arrives at a gateway at some time, and takes the money unless the gateway
// remembers its key.
type charge struct {
	gateway payment.GatewayID
	key     payment.GatewayKey
	arrives time.Time
	taken   bool
	decided payment.Class // the gateway's decision: approved or declined
	// returned: the money of a refund came back.
	returned bool
}

// worker holds a claim, or the answer to a lookup.
type worker struct {
	rules   payment.KeyRules
	payment payment.Payment // as it was when the worker last wrote
	until   time.Time       // when its lease expires
	last    *payment.AttemptEnd
	lookup  *payment.LookupRecord // to be recorded
}

func TestDecisions_TakeTheMoneyAtMostOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{now: noon, rules: rules()}
		w.rules.SavesDeclines = rapid.Bool().Draw(t, "saves declines")
		w.rules.Repeat = rapid.SampledFrom(repeats).Draw(t, "repeat")
		if rapid.Bool().Draw(t, "lags") {
			w.rules.LookupLag = 10 * time.Second
		}
		t.Repeat(map[string]func(*rapid.T){
			"claim": w.claim, "pick up": w.pickUp, "pick up a key": w.pickUpKey,
			"send": w.send, "send again": w.send, "renew": w.renew, "conclude": w.conclude, "conclude again": w.conclude,
			"record": w.record, "record twice": w.recordTwice, "lose worker": w.die, "expire": w.expire,
			"resolve": w.resolve, "import": w.importCharge,
			"round": w.round, "round again": w.round, "reconcile": w.reconcile, "reconcile again": w.reconcile,
			"wait": w.wait, "wait again": w.wait, "step clock": w.stepClock, "configure": w.configure,
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
			require.False(t, c.key == p.GatewayKey && c.gateway == p.Gateway && (c.taken && !c.returned || open),
				"the payment is %s, and a charge was made or is on its way: %+v\n%+v", p.State, c, p)
		}
	}
}

func (w *world) databaseNow() time.Time { return w.now.Add(w.ahead) }

func (w *world) instant() payment.Instant { return payment.Instant{DB: w.databaseNow(), Worker: w.now} }

// arrive lets the gateways decide the requests that have arrived.
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

// remembered is the decision that a gateway repeats for a key at a time. It is empty if the gateway does
// not honour keys.
func (w *world) remembered(gateway payment.GatewayID, key payment.GatewayKey, when time.Time) payment.Class {
	if !w.rules.HonoursKeys() {
		return ""
	}
	return w.known(gateway, key, when)
}

// known is the decision that a gateway has for a key at a time.
func (w *world) known(gateway payment.GatewayID, key payment.GatewayKey, when time.Time) payment.Class {
	for _, c := range w.charges {
		if c.gateway == gateway && c.key == key && c.decided != "" && when.Sub(c.arrives) < w.rules.KeyLifetime {
			return c.decided
		}
	}
	return ""
}

func (w *world) store(t *rapid.T, d payment.Decision) {
	if w.refund != nil {
		w.account(t, d)
	}
	if d.Write {
		require.Equal(t, d.Payment.State.Final(), d.Payment.DueAt.IsZero(), "%+v", d.Payment)
		require.Equal(t, w.payment.Money, d.Payment.Money)
		if w.payment.State == payment.StateSucceeded && d.Verdict != payment.VerdictReturned {
			require.Equal(t, w.payment.TransactionID, d.Payment.TransactionID, "a success is final")
		}
		w.payment = d.Payment
	}
	w.payment.Keys = d.Payment.Keys
}

// work starts a worker with a decision.
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

func (w *world) claim(t *rapid.T) {
	w.newKeys++
	a := claimRequest(t, payment.GatewayKey(fmt.Sprintf("key-%d", w.newKeys)))
	a.Rules, a.Worker = w.rules, w.now
	a.Deferred = rapid.IntRange(0, 3).Draw(t, "deferred") == 0
	if w.refund != nil {
		w.claimRefund(t, a)
		return
	}
	if !w.stored {
		w.stored, w.payment = true, a.Open(w.databaseNow())
		if !a.Deferred {
			w.workers = append(w.workers, &worker{rules: w.rules, payment: w.payment, until: w.now.Add(lease)})
		}
		return
	}
	d := a.Decide(w.payment, w.databaseNow())
	w.store(t, d)
	w.work(t, d)
}

func (w *world) policy() payment.PickUpPolicy {
	w.newKeys++
	on := pickUpPolicy()
	on.Rules, on.Worker = w.rules, w.now
	key := payment.GatewayKey(fmt.Sprintf("key-%d", w.newKeys))
	on.NewKey = func() payment.GatewayKey { return key }
	return on
}

func (w *world) pickUp(t *rapid.T) {
	if !w.stored {
		return
	}
	d := w.policy().PickUp(w.payment, w.databaseNow())
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
	d := w.policy().PickUpKey(w.payment, k.Key, w.databaseNow())
	w.store(t, d)
	w.work(t, d)
}

func (w *world) pickWorker(t *rapid.T) *worker {
	if len(w.workers) == 0 {
		return nil
	}
	if w.only != nil && slices.Contains(w.workers, w.only) {
		return w.only
	}
	return rapid.SampledFrom(w.workers).Draw(t, "worker")
}

func (w *world) removeWorker(lost *worker) {
	for i, other := range w.workers {
		if other == lost {
			w.workers = append(w.workers[:i:i], w.workers[i+1:]...)
			return
		}
	}
}

func (k *worker) String() string { return string(k.payment.GatewayKey) }

// mayBegin reports whether the worker may begin an attempt, by the rules of package core.
func (w *world) mayBegin(k *worker) bool {
	return k.lookup == nil && k.last == nil && w.now.Before(k.until) &&
		(!k.payment.Doubt.Any() || !k.rules.Expired(k.payment.KeySent, k.payment.KeyLifetime, w.instant()))
}

// send makes an attempt, which may take the money now, later or never, and may be answered.
func (w *world) send(t *rapid.T) {
	k := w.pickWorker(t)
	if k == nil || !w.mayBegin(k) {
		return
	}
	p := k.payment
	class := rapid.SampledFrom(allClasses).Draw(t, "class")
	r := resultOf(class)
	sent := charge{gateway: k.rules.Gateway, key: p.GatewayKey, arrives: w.now}
	known := w.remembered(sent.gateway, sent.key, w.now)
	switch class {
	case payment.ClassNotCharged, payment.ClassRejected:
	case payment.ClassKeyReused, payment.ClassPending:
		if known == "" {
			r.Class = payment.ClassNotCharged // a gateway reports neither for a key that it does not know
		}
	case payment.ClassApproved, payment.ClassDeclined:
		if known != "" {
			r.Class = known
			break
		}
		sent.decided, sent.taken = class, class == payment.ClassApproved
		if class == payment.ClassApproved || w.rules.SavesDeclines {
			w.charges = append(w.charges, sent)
		}
	case payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered:
		if rapid.Bool().Draw(t, "charges") {
			if class == payment.ClassUnknownUnanswered {
				sent.arrives = w.now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, late - 1}).Draw(t, "arrives"))
			}
			w.charges = append(w.charges, sent)
			w.arrive()
		}
	}
	if r.Class == payment.ClassApproved {
		r.TransactionID = string("txn-" + p.GatewayKey)
	}
	k.last = attemptEnd(r)
}

// renew plans another attempt after this one.
func (w *world) renew(t *rapid.T) {
	k := w.pickWorker(t)
	if k == nil || k.last == nil || k.lookup != nil || !k.last.Class.Retryable() ||
		k.last.Class.Unknown() && !k.rules.HonoursKeys() {
		return
	}
	r := payment.Renewal{ClaimRef: k.payment.ClaimRef(), End: *k.last, Worker: w.now, Next: true, Lease: lease}
	d, err := r.Apply(w.payment, w.databaseNow())
	if err != nil {
		w.removeWorker(k)
		return
	}
	w.store(t, d)
	if rapid.IntRange(0, 4).Draw(t, "answer lost") > 0 {
		k.payment, k.last, k.until = w.payment, nil, w.now.Add(lease)
		return
	}
	again, err := r.Apply(w.payment, w.databaseNow())
	require.NoError(t, err)
	w.store(t, again)
	k.payment, k.last, k.until = w.payment, nil, w.now.Add(lease)
}

// conclude ends a round with an outcome, by handing the payment to the queue, or with a lookup.
func (w *world) conclude(t *rapid.T) {
	k := w.pickWorker(t)
	if k == nil || k.lookup != nil {
		return
	}
	st := payment.Settlement{ClaimRef: k.payment.ClaimRef(), Worker: w.now, End: k.last}
	doubt, result := k.payment.Doubt, payment.Result{}
	if k.last != nil {
		result = k.last.Result
		doubt = doubt.With(result.Class, w.instant())
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
	d, err := st.Apply(w.payment, w.databaseNow())
	w.removeWorker(k)
	if err != nil {
		if result.Class == payment.ClassApproved {
			w.recordApproval(t, payment.Approval{
				Key: k.payment.GatewayKey, Gateway: k.rules.Gateway, TransactionID: result.TransactionID,
				Rules: k.rules, Worker: w.now,
			})
		}
		return
	}
	w.store(t, d)
}

func (w *world) recordApproval(t *rapid.T, a payment.Approval) {
	d, err := a.Apply(w.payment, w.databaseNow())
	require.NoError(t, err)
	require.NotEqual(t, payment.VerdictDouble, d.Verdict)
	if w.payment.Code != payment.CodeRefundReturned {
		require.Equal(t, payment.StateSucceeded, d.Payment.State)
	}
	w.store(t, d)
}

// lookUp looks a key up at the gateway, which may not see the latest charges yet, and may not answer.
func (w *world) lookUp(t *rapid.T, k *worker, key payment.GatewayKey, last payment.Result, end *payment.AttemptEnd) {
	l := lookupRecord(k.rules, k.payment, payment.FoundNoAnswer, w.instant())
	l.Key, l.Last, l.End = key, last, end
	if rapid.IntRange(0, 4).Draw(t, "answered") > 0 {
		l.Result.Result = w.found(k, key)
	}
	l.Result.TransactionID = string("txn-" + key)
	k.lookup = &l
	k.last = nil
	if end == nil && !slices.Contains(w.workers, k) {
		w.workers = append(w.workers, k)
	}
}

// found returns what the gateway answers to the lookup of a key. Its lag hides the latest charges.
func (w *world) found(k *worker, key payment.GatewayKey) (found payment.LookupResult) {
	switch w.known(k.rules.Gateway, key, w.now.Add(-w.rules.LookupLag)) {
	case payment.ClassApproved:
		found = payment.FoundApproved
	case payment.ClassDeclined:
		found = payment.FoundDeclined
	default:
		found = payment.FoundNothing
	}
	for _, c := range w.charges {
		if c.key == key && c.returned && found == payment.FoundApproved {
			found = payment.FoundReturned
		}
		if c.gateway == k.rules.Gateway && c.key == key && c.decided != "" && found != payment.FoundNothing &&
			c.arrives.After(w.now.Add(-w.rules.LookupLag)) && w.rules.LookupLag > 0 {
			found = payment.FoundNothing
		}
	}
	return found
}

// record writes the answer to a lookup, some time after it came.
func (w *world) record(t *rapid.T) {
	if k := w.pickWorker(t); k != nil && k.lookup != nil {
		w.recordOf(t, k)
	}
}

func (w *world) recordOf(t *rapid.T, k *worker) {
	l := *k.lookup
	l.Worker = w.now
	d, err := l.Apply(w.payment, w.databaseNow())
	w.removeWorker(k)
	if err != nil {
		require.ErrorIs(t, err, payment.ErrFenced)
		require.NotEqual(t, payment.FoundApproved, l.Result.Result, "a found charge always counts")
		return
	}
	require.NotEqual(t, payment.VerdictDouble, d.Verdict)
	w.store(t, d)
}

// recordTwice records a lookup again, because the answer to the first was lost.
func (w *world) recordTwice(t *rapid.T) {
	k := w.pickWorker(t)
	if k == nil || k.lookup == nil {
		return
	}
	l, before := *k.lookup, w.payment.Fence
	l.Worker = w.now
	w.recordOf(t, k)
	after := w.payment
	d, err := l.Apply(w.payment, w.databaseNow())
	if err != nil {
		return
	}
	require.LessOrEqual(t, d.Payment.Fence, before+1)
	require.Equal(t, after.State, d.Payment.State)
	require.Equal(t, after.DeferredRetries, d.Payment.DeferredRetries)
	w.store(t, d)
}

func (w *world) die(t *rapid.T) {
	if k := w.pickWorker(t); k != nil && (k.last == nil || k.last.Class != payment.ClassApproved) {
		w.removeWorker(k)
	}
}

// expire ends the lease of a replica without a heartbeat. Its worker may be alive.
func (w *world) expire(*rapid.T) {
	if w.payment.Claimed(w.databaseNow()) {
		w.payment.DueAt = w.databaseNow()
	}
}

// certain returns the charge that took the order's money, and whether no other can follow.
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

// round is what usually happens: a request, some attempts, and their outcome.
func (w *world) round(t *rapid.T) {
	before := len(w.workers)
	w.claim(t)
	w.finish(t, before)
}

// finish lets the latest worker make attempts and conclude, unless it stalls.
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

// reconcile lets the queue do what is due next, at its due time.
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
	if in := due.Sub(w.databaseNow()); in > 0 && in < time.Hour {
		w.now = w.now.Add(in)
		w.arrive()
	}
	before, on := len(w.workers), w.policy()
	d := on.PickUp(w.payment, w.databaseNow())
	if key != "" {
		d = on.PickUpKey(w.payment, key, w.databaseNow())
	}
	w.store(t, d)
	w.work(t, d)
	w.finish(t, before)
}

// resolve is an operator's resolution, which is true.
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
	if d, err := r.Apply(w.payment, w.databaseNow()); err == nil {
		w.store(t, d)
	}
}

// importCharge imports a charge from the gateway's records, which are true.
func (w *world) importCharge(t *rapid.T) {
	taken, _ := w.certain()
	if !w.stored || taken == nil || rapid.IntRange(0, 3).Draw(t, "import") > 0 {
		return
	}
	i := payment.Import{
		Charge:  payment.Charge{Key: taken.key, OrderID: "order-1", Money: w.payment.Money},
		Gateway: taken.gateway, TransactionID: string("txn-" + taken.key), By: "ada", Rules: w.rules, Worker: w.now,
	}
	if d, err := i.Apply(w.payment, w.databaseNow()); err == nil {
		w.store(t, d)
	}
}

func (w *world) wait(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{
		time.Second, 5 * time.Second, lease, lease + 20*time.Second, late, 10 * time.Minute, 23 * time.Hour, 25 * time.Hour,
	}).Draw(t, "wait"))
	w.arrive()
}

// stepClock steps the database's clock.
func (w *world) stepClock(t *rapid.T) {
	w.ahead += rapid.SampledFrom([]time.Duration{
		-time.Hour, -time.Minute, time.Minute, time.Hour, 30 * time.Hour,
	}).Draw(t, "step")
}

// configure changes the service's gateway, at a restart that no worker outlives.
func (w *world) configure(t *rapid.T) {
	if rapid.IntRange(0, 5).Draw(t, "other gateway") > 0 {
		return
	}
	w.workers = nil
	if w.rules.Gateway = "https://gateway.example"; rapid.Bool().Draw(t, "other") {
		w.rules.Gateway = "https://other.example"
	}
}
