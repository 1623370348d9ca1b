package simulation

import (
	"context"
	"slices"
	"sync"
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
	"paymentd/ports"
)

// audit sees all that reaches the database and the gateway, behind all wires, and checks it
// against the promise. It keeps its own books on who holds which claim until when.
type audit struct {
	world *world
	store *fake.Payments
	bank  *fake.Gateway

	mu     sync.Mutex
	ahead  time.Duration // of the database's clock
	heard  map[string]time.Time
	orders map[payment.OrderID]*dossier
	waits  map[int]waiting // by request
	sights sights

	arriving sync.Mutex // guards attempt.takes and attempt.lands
	desk     map[payment.GatewayKey][]*attempt
	arrived  map[payment.OrderID]int
}

// dossier is what the audit knows of an order.
type dossier struct {
	payment  payment.Payment // as stored
	held     holding
	keys     []payment.GatewayKey // all that were stored
	ends     []end
	attempts []*attempt
	// believes is until when a replica may believe that it holds a claim: by its own claims and
	// renewals, whatever has become of them since.
	believes map[string]time.Time
}

// holding is a claim in the audit's own books, by the database's clock.
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

// attempt is one call of the core to charge.
type attempt struct {
	payment.Charge

	request int // 0 for one by the queue
	began   time.Time
	takes   bool      // the gateway means to take the money
	lands   time.Time // when it does
}

func newAudit(w *world) *audit {
	a := &audit{
		world: w, store: fake.NewPayments(), bank: fake.NewGateway(),
		heard: make(map[string]time.Time), orders: make(map[payment.OrderID]*dossier),
		waits: make(map[int]waiting), sights: make(sights),
		desk: make(map[payment.GatewayKey][]*attempt), arrived: make(map[payment.OrderID]int),
	}
	if w.bug.rules != nil {
		w.bug.rules(&a.store.Rules)
	}
	if !w.repeatable {
		a.bank.IgnoreKeys()
	}
	a.bank.OnCharge(a.decide)
	return a
}

// moveClock moves the database's clock by d.
func (a *audit) moveClock(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ahead += d
	a.store.MoveClock(d)
}

func (a *audit) now() time.Time { return time.Now().Add(a.ahead) }

// granted checks a claim that was given to a replica: nobody else held it. It is held for the
// lease from now on.
func (a *audit) granted(replica string, p payment.Payment, lease time.Duration) {
	d := a.dossier(p.OrderID)
	if now := a.now(); d.held.until.After(now) {
		a.world.find(p.OrderID, "two workers at once: %s got the claim that %s holds for another %v",
			replica, d.held.replica, d.held.until.Sub(now))
	}
	if p.Fence <= d.held.fence {
		a.world.find(p.OrderID, "fencing number %d was given a second time", p.Fence)
	}
	if d.payment.State == payment.StateProcessing {
		a.saw("claims taken over from the " + a.world.fateOf(d.held.replica))
	}
	d.held = holding{replica, p.Fence, a.now().Add(lease)}
	d.believe(replica, lease)
	a.world.trace.tell(replica, p.OrderID, "claims: fence %d, %s, attempt %d", p.Fence, p.GatewayKey, p.Attempt.Number)
}

func (d *dossier) believe(replica string, lease time.Duration) {
	if until := time.Now().Add(lease); until.After(d.believes[replica]) {
		d.believes[replica] = until
	}
}

// wrote checks a write by the holder of a claim.
func (a *audit) wrote(what string, h payment.Hold) {
	d := a.dossier(h.OrderID)
	if d.payment.Fence != h.Fence {
		a.world.find(h.OrderID, "%s by fence %d, and the claim is at fence %d", what, h.Fence, d.payment.Fence)
	}
}

// dossier returns what is known of an order.
func (a *audit) dossier(id payment.OrderID) *dossier {
	d := a.orders[id]
	if d == nil {
		d = &dossier{believes: make(map[string]time.Time)}
		a.orders[id] = d
	}
	return d
}

// look reads an order after a change, and checks what has become of it.
func (a *audit) look(id payment.OrderID) {
	h, err := a.store.History(context.Background(), id)
	if err != nil {
		return
	}
	d := a.dossier(id)
	was, is := d.payment, h.Payment
	d.payment = is
	if is.GatewayKey != was.GatewayKey {
		d.keys = append(d.keys, is.GatewayKey)
	}
	a.checkChange(was, is)
	a.checkHistory(h)
	if is.State != was.State {
		a.world.trace.tell("database", id, "%s, fence %d, %s, %s%s due %v", is.State, is.Fence,
			is.GatewayKey, is.TransactionID, is.Code, is.DueAt)
		if is.State.Known() {
			d.ends = append(d.ends, end{is, time.Now()})
			a.checkEnd(is)
		}
	}
	a.checkLedger(id)
}

// checkChange compares two states of a payment, one after the other.
func (a *audit) checkChange(was, is payment.Payment) {
	find := func(format string, args ...any) { a.world.find(is.OrderID, format, args...) }
	if was.OrderID == "" {
		return
	}
	if is.Fence < was.Fence || is.Fence > was.Fence+1 {
		find("the fencing number went from %d to %d", was.Fence, is.Fence)
	}
	if is.Money != was.Money {
		find("the amount went from %v to %v", was.Money, is.Money)
	}
	if was.State == payment.StateSucceeded &&
		(is.State != payment.StateSucceeded || is.TransactionID != was.TransactionID) {
		find("a success did not last: %s became %s %s", was.TransactionID, is.State, is.TransactionID)
	}
	if is.GatewayKey != was.GatewayKey &&
		a.bank.Decided(was.GatewayKey).Class != payment.ClassDeclined {
		find("%s was given up for %s, and was not declined", was.GatewayKey, is.GatewayKey)
	}
}

// checkHistory: nothing is missing in what is told of a payment.
func (a *audit) checkHistory(h ports.History) {
	id, fence := h.Payment.OrderID, int64(0)
	for i, t := range h.Attempts {
		if t.Number != i+1 || t.Fence < fence {
			a.world.find(id, "attempt %d of fence %d is the %d-th in the history, after fence %d", t.Number, t.Fence, i+1, fence)
		}
		fence = t.Fence
	}
	for i, e := range h.Events {
		if e.Number != i+1 {
			a.world.find(id, "event %d is the %d-th in the history", e.Number, i+1)
		}
	}
}

// checkEnd: what is stored as an end is what the gateway has in its books.
func (a *audit) checkEnd(is payment.Payment) {
	truth := a.bank.Decided(is.GatewayKey)
	right := true
	switch is.State {
	case payment.StateSucceeded:
		right = truth.Class == payment.ClassApproved && truth.TransactionID == is.TransactionID
	case payment.StateDeclined:
		right = truth.Class == payment.ClassDeclined
	case payment.StateFailed:
		right = truth.Class != payment.ClassApproved
	}
	if !right {
		a.world.find(is.OrderID, "settled as %s %s, and the gateway has %q %s for %s",
			is.State, is.TransactionID, truth.Class, truth.TransactionID, is.GatewayKey)
	}
}

// checkLedger: the money of an order was taken once, and not by an attempt that was on its way
// when the payment was settled as not charged.
func (a *audit) checkLedger(id payment.OrderID) {
	d, taken := a.dossier(id), a.taken(id)
	if len(taken) > 1 {
		a.world.find(id, "the money was taken %d times: %+v", len(taken), taken)
	}
	for _, t := range taken {
		by := a.taker(d, t)
		if t.Money != d.payment.Money {
			a.world.find(id, "%v was taken for an order of %v", t.Money, d.payment.Money)
		}
		for _, e := range d.ends {
			if e.State == payment.StateFailed && !by.began.After(e.at) && t.At.After(e.at) {
				a.world.find(id, "failed at %v, and then charged by an attempt that had begun at %v",
					e.at.Sub(a.world.began), by.began.Sub(a.world.began))
			}
		}
	}
}

// taken returns the times that the order's money was taken.
func (a *audit) taken(id payment.OrderID) []fake.Taken {
	return slices.DeleteFunc(a.bank.Taken(), func(t fake.Taken) bool { return t.OrderID != id })
}

// taker returns the attempt that took the money.
func (a *audit) taker(d *dossier, t fake.Taken) *attempt {
	a.arriving.Lock()
	defer a.arriving.Unlock()
	i := slices.IndexFunc(d.attempts, func(at *attempt) bool {
		return at.takes && at.Key == t.Key && at.lands.Equal(t.At)
	})
	if i < 0 {
		a.world.find(t.OrderID, "money was taken that nobody asked for: %+v", t)
		return &attempt{began: t.At}
	}
	return d.attempts[i]
}

// ended reports whether the payment was ever stored as such.
func (d *dossier) ended(s payment.State, transactionID string) bool {
	return slices.ContainsFunc(d.ends, func(e end) bool {
		return e.State == s && e.TransactionID == transactionID
	})
}
