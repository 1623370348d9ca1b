package simulation

import (
	"maps"
	"slices"
	"sync"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// audit observes every call that reaches the database and the gateway and checks it against the
// promise. It keeps its own record of which replica holds which claim and until when.
type audit struct {
	world *world
	store *fake.Payments
	banks []gatewayLedger

	mu       sync.Mutex
	ahead    time.Duration // of the database's clock
	heard    map[string]time.Time
	orders   map[payment.OrderID]*orderRecord
	waits    map[int]waiting // by request
	coverage coverage

	arriving sync.Mutex // guards attempt.takes and attempt.lands
	desk     map[payment.GatewayKey][]*attempt
	arrived  map[payment.OrderID]int
	chargers map[payment.GatewayKey]bool // an attempt with the key takes the money
}

// gatewayLedger is the ledger of one gateway. Its name distinguishes its charges from those of the other.
type gatewayLedger struct {
	*fake.Gateway

	id payment.GatewayID
}

// transaction returns a transaction id of this gateway in the form that the service sees.
func (b gatewayLedger) transaction(id string) string {
	if id == "" || b.id == mainGateway {
		return id
	}
	return string(b.id) + id
}

const (
	mainGateway  payment.GatewayID = "fake:"
	otherGateway payment.GatewayID = "other:"
	thirdGateway payment.GatewayID = "third:"
)

// orderRecord is what the audit knows about an order.
type orderRecord struct {
	payment  payment.Payment // as stored
	held     holding
	keys     []payment.GatewayKey // all that were stored
	ends     []end
	attempts []*attempt
	// believes is the time until which a replica may assume that it holds a claim, by its own claims and
	// renewals. It ignores takeovers.
	believes map[string]time.Time
	proofs   map[payment.GatewayKey]*keyLog
	// misled is true if an operator resolved the order wrongly, or overruled a key that is not
	// closed. A second charge is then the operator's responsibility.
	misled bool
	// toCancel is true from the acceptance of a void of the pending payment until the payment is decided, and
	// voidAccepted from the first one on.
	toCancel, voidAccepted bool
	// events are the stored events.
	events []payment.Event
	// declinedAt is when the payment was last declined by its gateway.
	declinedAt time.Time
	// dropped are the approvals of fenced-out workers that are not recorded yet.
	dropped map[string]approval
	// approved are the transactions that the gateway reported to a living worker.
	approved map[string]approval
}

// holding is a claim in the audit's own record, by the database's clock.
type holding struct {
	replica string
	fence   int64
	until   time.Time
}

// end is an outcome that was stored.
type end struct {
	payment.Payment

	at time.Time
}

// attempt is one call of the core to Gateway.Charge.
type attempt struct {
	payment.Charge

	request int // 0 for one by the queue
	began   time.Time
	takes   bool      // the gateway means to take the money
	pends   bool      // it decides later
	lands   time.Time // when it does

	ended    time.Time     // zero while the core has not been answered
	class    payment.Class // what the core got
	answered bool          // by the gateway itself
	covered  bool          // the key has been closed since
}

func newAudit(w *world) *audit {
	a := &audit{
		world: w, store: fake.NewPayments(),
		heard: make(map[string]time.Time), orders: make(map[payment.OrderID]*orderRecord),
		waits: make(map[int]waiting), coverage: make(coverage),
		desk: make(map[payment.GatewayKey][]*attempt), arrived: make(map[payment.OrderID]int),
		chargers: make(map[payment.GatewayKey]bool),
	}
	if w.bug.rules != nil {
		w.bug.rules(&a.store.Rules)
	}
	a.banks = []gatewayLedger{{fake.NewGateway(), mainGateway}, {fake.NewGateway(), otherGateway}, {fake.NewGateway(), thirdGateway}}
	for _, b := range a.banks {
		a.open(b)
	}
	return a
}

// open makes the gateway behave as drawn.
func (a *audit) open(b gatewayLedger) {
	set := a.world.can(b.id)
	if !set.HonoursKeys() {
		b.IgnoreKeys()
	}
	b.LagLookUps(set.lag)
	b.ForgetAfter(set.KeyLifetime)
	b.Declare(func(c *payment.Capabilities) { *c = set.Capabilities })
	b.OnCharge(func(c payment.Charge) fake.Step { return a.decide(b.id, c) })
	lookUps := 0
	b.OnLookUp(func(key payment.GatewayKey) fake.Answer {
		lookUps++
		unanswered := a.world.at(b.id).gatewayFaults.noAnswer
		if !set.LooksUp || a.world.faultsActive() && a.world.stream("between", b.id, key, lookUps).chance(unanswered) {
			return fake.NoAnswer
		}
		return fake.FromLedger
	})
}

// charging reports whether an attempt with the key takes the money. The caller holds arriving.
func (a *audit) charging(key payment.GatewayKey) bool { return a.chargers[key] }

// moveClock moves the database's clock by d.
func (a *audit) moveClock(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ahead += d
	a.store.MoveClock(d)
}

func (a *audit) now() time.Time { return time.Now().Add(a.ahead) }

// granted checks that no other replica held the claim that a replica got, and records that it is held
// for the lease from now on.
func (a *audit) granted(replica string, p payment.Payment, lease time.Duration) {
	d := a.record(subject(p))
	if now := a.now(); a.holds(d, now) {
		a.world.report(p.OrderID, "two workers at once: %s got the claim that %s holds for another %v",
			replica, d.held.replica, d.held.until.Sub(now))
	}
	if p.Fence <= d.held.fence {
		a.world.report(p.OrderID, "fencing number %d was given a second time", p.Fence)
	}
	if d.payment.State == payment.StateProcessing {
		a.cover("claims taken over from the " + a.world.status(d.held.replica))
		a.checkTakeover(d, d.payment, p)
	}
	d.held = holding{replica, p.Fence, a.now().Add(lease)}
	d.believe(replica, lease)
	a.checkReuse(d, p)
	d.log(p.GatewayKey).claim(p.Gateway, time.Now())
	a.world.trace.add(replica, p.OrderID, "claims: fence %d, %s, attempt %d", p.Fence, p.GatewayKey, p.Attempt.Number)
}

// holds reports whether the order is claimed. A lease that ends further ahead than any lease may last
// has expired, because the clock has stepped back.
func (a *audit) holds(d *orderRecord, now time.Time) bool {
	return d.held.until.After(now) && !d.held.until.After(now.Add(a.world.rules(mainGateway).MaxLease))
}

// free reports whether no worker can hold the order, by any reading of its lease.
func (a *audit) free(d *orderRecord) bool {
	now := a.now()
	return d.held.until.Before(now.Add(-epsilon)) ||
		d.held.until.After(now.Add(a.world.rules(mainGateway).MaxLease+epsilon))
}

func (d *orderRecord) believe(replica string, lease time.Duration) {
	if until := time.Now().Add(lease); until.After(d.believes[replica]) {
		d.believes[replica] = until
	}
}

// wrote checks a write by the holder of a claim.
func (a *audit) wrote(what string, h payment.ClaimRef) {
	d := a.record(subjectOf(h.OrderID, h.Operation))
	if d.payment.Fence != h.Fence {
		a.world.report(h.OrderID, "%s by fence %d, and the claim is at fence %d", what, h.Fence, d.payment.Fence)
	}
}

// record returns what is known about an order.
func (a *audit) record(id payment.OrderID) *orderRecord {
	d := a.orders[id]
	if d == nil {
		d = &orderRecord{
			believes: make(map[string]time.Time), proofs: make(map[payment.GatewayKey]*keyLog),
			approved: make(map[string]approval), dropped: make(map[string]approval),
		}
		a.orders[id] = d
	}
	return d
}

// inspect reads an order after a change and checks the change.
func (a *audit) inspect(id payment.OrderID) {
	h, err := a.historyOf(id)
	if err != nil {
		return
	}
	d := a.record(id)
	was, is := d.payment, h.Payment
	d.payment = is
	if is.State != payment.StateProcessing {
		d.held.until = time.Time{}
	}
	newEvents := h.Events[min(len(d.events), len(h.Events)):]
	d.events = h.Events
	if is.GatewayKey != was.GatewayKey {
		d.keys = append(d.keys, is.GatewayKey)
	}
	a.checkChange(was, is, newEvents)
	a.checkReservation(is.OrderID)
	a.checkCancellation(d, was, is)
	a.checkProofs(d, was, h)
	a.checkHistory(h)
	if is.State != was.State {
		a.world.trace.add("database", id, "%s, fence %d, %s, %s%s due %v", is.State, is.Fence,
			is.GatewayKey, is.TransactionID, is.Code, is.DueAt)
		if is.State == payment.StateDeclined && is.Code != payment.DeclineAbandoned {
			d.declinedAt = time.Now()
		}
		a.coverOperation(is)
		if is.State.Final() || is.State == payment.StateAuthorized {
			d.ends = append(d.ends, end{is, time.Now()})
			a.checkEnd(is)
		}
	}
	a.checkLedger(id)
	if !is.Operation.IsCharge() {
		a.inspect(is.OrderID) // a change of an operation may change its charge
	}
}

// checkChange compares two consecutive states of a payment.
func (a *audit) checkChange(was, is payment.Payment, events []payment.Event) {
	find := func(format string, args ...any) { a.world.report(is.OrderID, format, args...) }
	if was.OrderID == "" {
		return
	}
	if is.Fence < was.Fence || is.Fence > was.Fence+1 {
		find("the fencing token went from %d to %d", was.Fence, is.Fence)
	}
	if is.Money != was.Money {
		find("the amount went from %v to %v", was.Money, is.Money)
	}
	if was.State == payment.StateSucceeded && is.Code != payment.CodeRefundReturned &&
		(is.State != payment.StateSucceeded || is.TransactionID != was.TransactionID) {
		find("a success did not last: %s became %s %s", was.TransactionID, is.State, is.TransactionID)
	}
	if was.State == payment.StateAuthorized && (!approvedOnce(is) || is.TransactionID != was.TransactionID) ||
		was.State == payment.StateVoided && is.State != payment.StateVoided && !a.record(subject(is)).misled {
		find("%s %s became %s %s", was.State, was.TransactionID, is.State, is.TransactionID)
	}
	checkEvidence(was, is, events, find)
}

// checkEvidence checks that a payment that succeeds without a charge of its worker has an event that says so.
func checkEvidence(was, is payment.Payment, events []payment.Event, find func(format string, args ...any)) {
	loud := slices.ContainsFunc(events, func(e payment.Event) bool { return slices.Contains(loudEvents, e.Kind) })
	if (was.State == payment.StateDeclined || was.State == payment.StateFailed) && is.State.Approved() && !loud {
		find("%s became approved without an event", was.State)
	}
	if evidence := slices.ContainsFunc(events, func(e payment.Event) bool { return e.Kind == payment.EventEvidence }); evidence &&
		is.Fence == was.Fence {
		find("succeeded by evidence, and the worker that holds the claim is not fenced out")
	}
	if is.GatewayKey != was.GatewayKey && is.State.Approved() && !loud {
		find("succeeded with %s in place of %s without an event", is.GatewayKey, was.GatewayKey)
	}
}

// checkHistory checks that the history of a payment is complete.
func (a *audit) checkHistory(h ports.History) {
	id, fence := h.Payment.OrderID, int64(0)
	for i, t := range h.Attempts {
		if t.Number != i+1 || t.Fence < fence {
			a.world.report(id, "attempt %d of fence %d is the %d-th in the history, after fence %d", t.Number, t.Fence, i+1, fence)
		}
		fence = t.Fence
	}
	for i, e := range h.Events {
		if e.Number != i+1 {
			a.world.report(id, "event %d is the %d-th in the history", e.Number, i+1)
		}
	}
}

// loudEvents are the events by which a payment succeeds that no worker was charging.
var loudEvents = []payment.EventKind{payment.EventEvidence, payment.EventImported, payment.EventResolved}

// checkEnd compares a stored outcome with the gateway's ledger.
func (a *audit) checkEnd(is payment.Payment) {
	d := a.record(subject(is))
	all := slices.DeleteFunc(a.taken(subject(is)), func(t taken) bool {
		return t.Key != is.GatewayKey || t.returned && is.Code == payment.CodeRefundReturned
	})
	right := true
	switch is.State {
	case payment.StateVoided:
		right = a.holdEnded(is, false)
	case payment.StateSucceeded, payment.StateAuthorized:
		right = slices.ContainsFunc(all, func(t taken) bool { return t.TransactionID == is.TransactionID })
	case payment.StateDeclined, payment.StateFailed:
		right = !slices.ContainsFunc(all, func(t taken) bool { return t.released.IsZero() })
	}
	_, closed := d.closed(is)
	excused := d.misled || a.world.can(is.Gateway).lagsLonger() && is.State == payment.StateFailed && !closed
	if !right && !excused {
		a.world.report(is.OrderID, "settled as %s %s, and the gateway has %+v", is.State, is.TransactionID, all)
	}
}

// closed returns the record of the payment's key, and whether it says that the key is closed.
func (d *orderRecord) closed(p payment.Payment) (payment.Key, bool) {
	i := slices.IndexFunc(p.Keys, func(k payment.Key) bool { return k.Key == p.GatewayKey })
	if i < 0 {
		return payment.Key{}, false
	}
	return p.Keys[i], p.Keys[i].Closed != ""
}

// checkLedger checks that the money of an order was taken once, and not by an attempt that was in flight
// when the payment was settled as not charged.
func (a *audit) checkLedger(id payment.OrderID) {
	d, all := a.record(id), a.taken(id)
	if n := atOnce(all); n > 1 && !d.misled {
		a.world.report(id, "the money was taken or held %d times at once: %+v", n, all)
	}
	for _, t := range all {
		by := a.attemptOf(d, t)
		if t.Money != d.payment.Money {
			a.world.report(id, "%v was taken for an order of %v", t.Money, d.payment.Money)
		}
		if !d.misled {
			a.checkCharge(d, t, by)
		}
	}
}

// checkCharge checks that a charge did not come after the payment was stored as not charged, or after its key
// was closed.
func (a *audit) checkCharge(d *orderRecord, t taken, by *attempt) {
	id := t.OrderID
	for _, e := range d.ends {
		if (e.State == payment.StateFailed || e.State == payment.StateDeclined) && e.GatewayKey == t.Key &&
			!by.began.After(e.at) && t.At.After(e.at) {
			a.world.report(id, "%s at %v, and then charged by an attempt that had begun at %v",
				e.State, e.at.Sub(a.world.began), by.began.Sub(a.world.began))
		}
	}
	if k := d.proofs[t.Key]; k != nil && !k.closedAt.IsZero() && t.At.After(k.closedAt) && !by.began.After(k.closedAt) {
		a.world.report(id, "%s was closed at %v, and then charged by an attempt that had begun at %v",
			t.Key, k.closedAt.Sub(a.world.began), by.began.Sub(a.world.began))
	}
}

// taken is money that one of the gateways took.
type taken struct {
	fake.Taken

	gateway  payment.GatewayID
	returned bool // the money of a refund came back
	// released is when a hold ended without a capture; zero for other charges.
	released time.Time
}

// taken returns the charges of an order, also those that were only held, or what another operation moved.
func (a *audit) taken(id payment.OrderID) (all []taken) {
	if _, of := orderOf(id); !of.IsCharge() {
		return a.moved(id)
	}
	for _, b := range a.banks {
		for _, h := range b.Held() {
			if h.OrderID == id {
				t := fake.Taken{Charge: h.Charge, TransactionID: b.transaction(h.TransactionID), At: h.At}
				held := taken{Taken: t, gateway: b.id}
				if h.Captured == 0 {
					held.released = h.EndedAt
				}
				all = append(all, held)
			}
		}
		for _, t := range b.Taken() {
			if t.OrderID == id {
				t.TransactionID = b.transaction(t.TransactionID)
				all = append(all, taken{Taken: t, gateway: b.id})
			}
		}
	}
	return all
}

// attemptOf returns the attempt that took the money.
func (a *audit) attemptOf(d *orderRecord, t taken) *attempt {
	a.arriving.Lock()
	defer a.arriving.Unlock()
	i := slices.IndexFunc(d.attempts, func(at *attempt) bool {
		return at.takes && at.Key == t.Key && (at.pends || at.lands.Equal(t.At))
	})
	if i < 0 {
		a.world.report(t.OrderID, "money was taken without a request: %+v", t)
		return &attempt{began: t.At}
	}
	return d.attempts[i]
}

// ended reports whether the payment was ever stored with this outcome.
func (d *orderRecord) ended(s payment.State, transactionID string) bool {
	return slices.ContainsFunc(d.ends, func(e end) bool {
		return e.State == s && e.TransactionID == transactionID
	})
}

// ordersInOrder returns the known orders, sorted.
func (a *audit) ordersInOrder() []payment.OrderID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.orders))
}

// keysOf returns the keys that were stored with an order.
func (a *audit) keysOf(id payment.OrderID) []payment.GatewayKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.record(id).keys)
}
