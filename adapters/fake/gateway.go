package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"paymentd/core/payment"
)

// Gateway is ports.Gateway in memory: a ledger of the gateway keys of charges, captures, voids and refunds, and a
// script of faults, which apply to all of them. It keeps its ledger while services crash and restart.
//
// As in the gateway protocol, a key that was approved or declined before gets its first result again.
// Nothing else is remembered of a key. Each kind of operation has keys of its own.
type Gateway struct {
	mu      sync.Mutex
	script  []Step
	scripts map[payment.OrderID][]Step
	charge  func(payment.Charge) Step
	lookUp  func(payment.GatewayKey) Answer

	capabilities payment.Capabilities

	keysIgnored bool
	listPage    int           // charges in a page of the list; zero for the default
	withoutSums bool          // the list does not say how much was captured and refunded
	lag         time.Duration // how long after its decision a lookup does not find a charge
	forgetAfter time.Duration // how long a key is remembered; zero for ever
	holdFor     time.Duration // how long money is held; zero for ever
	attempts    []Attempt
	lookUps     int
	inFlight    []*request // undecided
	ledger      map[slot]entry
	taken       []Taken
	held        []*Held
	captured    []Captured
	voided      []Voided
	refunded    []Refunded
}

// slot is the place of a key in the ledger.
type slot struct {
	kind payment.Kind
	key  payment.GatewayKey
}

func slotOf(c payment.Charge) slot { return slot{c.Operation.Kind, c.Key} }

// Attempt is one call to Charge, for an operation of any kind.
type Attempt struct {
	payment.Charge

	At time.Time
}

// Taken is money that was taken.
type Taken struct {
	payment.Charge

	TransactionID string
	At            time.Time
}

// request is an operation that is in flight or being processed.
type request struct {
	charge    payment.Charge
	decision  payment.Result
	takes     bool // the money at once, although the charge is only to hold it
	arrivesAt time.Time
	decidedAt time.Time      // when the gateway decides
	result    payment.Result // the decision, with a transaction id
}

// entry is the ledger's entry of a key.
type entry struct {
	charge      payment.Charge
	result      payment.Result
	firstUsedAt time.Time
	decidedAt   time.Time
	hold        *Held // of a charge that holds or held money
	voided      bool  // the pending charge was cancelled
	returned    bool  // the money of the refund came back
}

// NewGateway returns a gateway with an empty ledger. The script decides the first attempts, of any orders,
// in order; all others are approved.
func NewGateway(script ...Step) *Gateway {
	return &Gateway{
		script:  script,
		scripts: make(map[payment.OrderID][]Step),
		charge:  func(payment.Charge) Step { return Approve() },
		lookUp:  func(payment.GatewayKey) Answer { return FromLedger },
		ledger:  make(map[slot]entry),
		capabilities: payment.Capabilities{
			Gateway: "fake:", Repeat: payment.RepeatFirstSuccess, LooksUp: true, LookupForgets: true, SavesDeclines: true,
			Cancels: true, Asynchronous: payment.OperationCharge | payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
			Operations: payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
		},
	}
}

// Script decides the next attempts of one order, before the common script.
func (g *Gateway) Script(id payment.OrderID, steps ...Step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.scripts[id] = append(g.scripts[id], steps...)
}

// OnCharge lets f decide the attempts that no script covers. f must not call the gateway.
func (g *Gateway) OnCharge(f func(payment.Charge) Step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.charge = f
}

// OnLookUp lets f decide how lookups are answered. f must not call the gateway.
func (g *Gateway) OnLookUp(f func(payment.GatewayKey) Answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lookUp = f
}

// ScriptLookUps decides how the next lookups are answered. All later ones are answered from the ledger.
func (g *Gateway) ScriptLookUps(answers ...Answer) {
	g.OnLookUp(func(payment.GatewayKey) (a Answer) {
		if len(answers) > 0 {
			a, answers = answers[0], answers[1:]
		}
		return a
	})
}

// IgnoreKeys makes it a gateway that does not honour gateway keys: it takes the money at every charge. A
// lookup still finds the key's first charge.
func (g *Gateway) IgnoreKeys() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keysIgnored = true
}

// LagLookUps makes it a gateway whose lookups do not find a charge until d after its decision, and declares
// that.
func (g *Gateway) LagLookUps(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lag, g.capabilities.LookupLag = d, d
}

// ForgetAfter makes it a gateway that forgets a key at d after its first use, and declares that. A repeat is
// then a new charge, and a lookup finds nothing unless the gateway declares that lookups do not forget.
func (g *Gateway) ForgetAfter(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetAfter, g.capabilities.KeyLifetime = d, d
}

// Complete decides the pending charge of a key, or else its pending operation of another kind, as the step does:
// [Approve] or [Decline]. It reports whether there was one.
func (g *Gateway) Complete(key payment.GatewayKey, step Step) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.decideDue(now)
	for _, kind := range payment.Kinds() {
		at := slot{kind, key}
		if e := g.ledger[at]; e.pending() {
			e.result, e.hold = g.book(e.charge, step.decision, step.atOnce, now)
			g.ledger[at] = e
			return true
		}
	}
	return false
}

// pending reports whether the charge, or the other operation, is undecided.
func (e entry) pending() bool { return e.result.Class == payment.ClassPending && !e.voided }

// Declare changes the gateway's declared capabilities. By default, they are those of the gateway protocol,
// with keys that live for ever.
func (g *Gateway) Declare(change func(*payment.Capabilities)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.capabilities)
}

// Capabilities implements ports.Gateway.
func (g *Gateway) Capabilities() payment.Capabilities {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.capabilities
	if g.keysIgnored {
		c.Repeat = payment.RepeatCharges
	}
	return c
}

// Charge implements ports.Gateway. The next step of the script decides the attempt. A refund or a capture that
// exceeds what is left of its charge is declined, even if the step approves it, and so is a capture or a void of a
// charge that holds no money.
func (g *Gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if ctx.Err() != nil {
		return payment.Result{Class: payment.ClassNotCharged, Message: "the request was not sent"}
	}
	r, step := g.accept(c)
	if step.takes > 0 && sleep(ctx, step.takes) != nil {
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: unanswered}
	}
	if step.answer.Class != "" {
		return step.answer
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decideDue(time.Now())
	return r.result
}

// accept records a request, with the next step of the script.
func (g *Gateway) accept(c payment.Charge) (*request, Step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.decideDue(now)
	g.attempts = append(g.attempts, Attempt{Charge: c, At: now})
	step := g.next(c)
	if step.decision.Class != "" && g.processing(slotOf(c), now) && !g.keysIgnored {
		return nil, Running()
	}
	r := &request{charge: c, decision: step.decision, takes: step.atOnce, arrivesAt: now.Add(step.arrivesAfter)}
	r.decidedAt = r.arrivesAt.Add(step.takes)
	if r.decision.Class != "" {
		g.inFlight = append(g.inFlight, r)
	}
	return r, step
}

// next returns the attempt's step, and removes it from its script.
func (g *Gateway) next(c payment.Charge) Step {
	if steps := g.scripts[c.OrderID]; len(steps) > 0 {
		g.scripts[c.OrderID] = steps[1:]
		return steps[0]
	}
	if len(g.script) > 0 {
		step := g.script[0]
		g.script = g.script[1:]
		return step
	}
	return g.charge(c)
}

// decideDue decides the requests that are due for it, in the order of their times.
func (g *Gateway) decideDue(now time.Time) {
	slices.SortStableFunc(g.inFlight, func(a, b *request) int { return a.decidedAt.Compare(b.decidedAt) })
	for len(g.inFlight) > 0 && !g.inFlight[0].decidedAt.After(now) {
		g.decide(g.inFlight[0])
		g.inFlight = g.inFlight[1:]
	}
	g.expireHolds(now)
}

func (g *Gateway) decide(r *request) {
	g.expireHolds(r.decidedAt)
	at := slotOf(r.charge)
	first, seen := g.entryOf(at, r.arrivesAt)
	switch {
	case seen && first.charge != r.charge:
		r.result = KeyReused().answer
		return
	case seen && first.voided:
		r.result = payment.Result{Class: payment.ClassUnknownAnswered, Message: "the charge is voided", Answered: true}
		return
	case seen && !g.keysIgnored:
		r.result = first.result
		return
	}
	decision := g.limit(r.charge, r.decision)
	var hold *Held
	r.result, hold = g.book(r.charge, decision, r.takes, r.decidedAt)
	found := first.result.Class == payment.ClassApproved || first.result.Class == payment.ClassAuthorized
	if !seen || g.keysIgnored && !found {
		g.ledger[at] = entry{
			charge: r.charge, result: r.result, hold: hold, firstUsedAt: r.arrivesAt, decidedAt: r.decidedAt,
		}
	}
}

// limit returns the decision about an operation, or a decline if its charge does not allow it.
func (g *Gateway) limit(c payment.Charge, decision payment.Result) payment.Result {
	switch c.Operation.Kind {
	case payment.KindRefund:
		return g.limitRefund(c, decision)
	case payment.KindCapture, payment.KindVoid:
		return g.limitHold(c, decision)
	case payment.KindCharge:
	}
	return decision
}

// book returns the decision. If it is an approval, it records the money as taken, held, released or given back. The
// hold is that of a charge that holds money; otherwise nil.
func (g *Gateway) book(c payment.Charge, decision payment.Result, atOnce bool, at time.Time) (payment.Result, *Held) {
	if decision.Class != payment.ClassApproved {
		return decision, nil
	}
	switch {
	case c.Operation.Kind == payment.KindRefund:
		decision.TransactionID = fmt.Sprintf("refund-%d", len(g.refunded)+1)
		g.refunded = append(g.refunded, Refunded{Charge: c, TransactionID: decision.TransactionID, At: at})
	case c.Operation.Kind == payment.KindCapture:
		decision.TransactionID = fmt.Sprintf("capture-%d", len(g.captured)+1)
		g.capture(c, decision.TransactionID, at)
	case c.Operation.Kind == payment.KindVoid:
		decision.TransactionID = fmt.Sprintf("void-%d", len(g.voided)+1)
		g.release(c, decision.TransactionID, at)
	case c.Capture == payment.CaptureManual && !atOnce:
		return g.authorize(c, decision, at)
	default:
		decision.TransactionID = g.transactionID()
		g.taken = append(g.taken, Taken{c, decision.TransactionID, at})
	}
	return decision, nil
}

// transactionID returns the id of the next charge.
func (g *Gateway) transactionID() string { return fmt.Sprintf("txn-%d", len(g.taken)+len(g.held)+1) }

// entryOf returns the entry of a key that is not forgotten.
func (g *Gateway) entryOf(at slot, now time.Time) (entry, bool) {
	e, seen := g.ledger[at]
	if seen && g.forgetAfter > 0 && now.Sub(e.firstUsedAt) >= g.forgetAfter {
		return entry{}, false
	}
	return e, seen
}

// processing reports whether a request with this key has arrived and is undecided.
func (g *Gateway) processing(at slot, now time.Time) bool {
	return slices.ContainsFunc(g.inFlight, func(r *request) bool {
		return slotOf(r.charge) == at && !r.arrivesAt.After(now) && r.decidedAt.After(now)
	})
}

// LookUp implements ports.Gateway. The next answer of the script decides how it is answered. An operation other than
// a charge is found by its key together with the key of its charge.
func (g *Gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lookUps++
	now := time.Now()
	g.decideDue(now)
	answer, at := g.lookUp(ref.Key), slot{ref.Operation.Kind, ref.Key}
	known, seen := g.entryOf(at, now)
	if !g.capabilities.LookupForgets {
		known, seen = g.ledger[at]
	}
	seen = seen && known.charge.Of.Key == ref.Of.Key
	switch {
	case ctx.Err() != nil || answer == NoAnswer:
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: unanswered}
	case answer == StillProcessing || answer == FromLedger && g.processing(at, now):
		return payment.Lookup{Result: payment.FoundProcessing}
	case answer == SaysPending:
		return payment.Lookup{Result: payment.FoundPending}
	case answer == SaysVoided:
		return payment.Lookup{Result: payment.FoundVoided}
	case answer == SaysDeclined:
		return payment.Lookup{Result: payment.FoundDeclined, Code: "card_declined", Message: "the charge was declined"}
	case answer == SaysNothing, !seen, now.Sub(known.decidedAt) < g.lag:
		return payment.Lookup{Result: payment.FoundNothing}
	}
	return known.found()
}

// found is what a lookup of the entry finds.
func (e entry) found() payment.Lookup {
	switch {
	case e.returned:
		return payment.Lookup{Result: payment.FoundReturned, Message: "the refund came back"}
	case e.voided:
		return payment.Lookup{Result: payment.FoundVoided}
	case e.hold != nil:
		return e.hold.found()
	}
	switch e.result.Class {
	case payment.ClassApproved:
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: e.result.TransactionID}
	case payment.ClassPending:
		return payment.Lookup{
			Result: payment.FoundPending, Reference: e.result.Reference, RedirectURL: e.result.RedirectURL,
		}
	default:
		return payment.Lookup{Result: payment.FoundDeclined, Code: e.result.Code, Message: e.result.Message}
	}
}
