package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"paymentd/core/payment"
)

// Gateway is ports.Gateway in memory: a ledger of gateway keys, and a script of what goes
// wrong on the way to it. It keeps its ledger while services die and are started again.
//
// As the gateway protocol has it, a key that was approved or declined before is answered
// with its first result. Nothing else is remembered of a key.
type Gateway struct {
	mu      sync.Mutex
	script  []Step
	scripts map[payment.OrderID][]Step
	charge  func(payment.Charge) Step
	lookUp  func(payment.GatewayKey) Answer

	capabilities payment.Capabilities

	keysIgnored bool
	lag         time.Duration // how long a lookup does not see a charge
	forgetAfter time.Duration // how long a key is remembered; zero for ever
	attempts    []Attempt
	lookUps     int
	arriving    []*request // not decided yet
	ledger      map[payment.GatewayKey]entry
	taken       []Taken
}

// Attempt is one call to Charge.
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

// request is a charge on its way to the ledger, or being worked on.
type request struct {
	charge  payment.Charge
	decides payment.Result
	arrives time.Time
	lands   time.Time      // when it is decided
	result  payment.Result // what was decided
}

// entry is what the ledger holds of a key.
type entry struct {
	charge payment.Charge
	result payment.Result
	used   time.Time // first
	landed time.Time
}

// NewGateway returns a gateway with an empty ledger. The first attempts, of whichever
// orders, go as the steps say, in order; all others are approved.
func NewGateway(script ...Step) *Gateway {
	return &Gateway{
		script:  script,
		scripts: make(map[payment.OrderID][]Step),
		charge:  func(payment.Charge) Step { return Approve() },
		lookUp:  func(payment.GatewayKey) Answer { return FromLedger },
		ledger:  make(map[payment.GatewayKey]entry),
		capabilities: payment.Capabilities{
			Gateway: "fake:", HonoursKeys: true, LookupForgets: true, SavesDeclines: true,
		},
	}
}

// Script says how the next attempts of one order go, before the common script.
func (g *Gateway) Script(id payment.OrderID, steps ...Step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.scripts[id] = append(g.scripts[id], steps...)
}

// OnCharge lets f say how attempts go that no script covers. It must not call the gateway.
func (g *Gateway) OnCharge(f func(payment.Charge) Step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.charge = f
}

// OnLookUp lets f say how lookups are answered. It must not call the gateway.
func (g *Gateway) OnLookUp(f func(payment.GatewayKey) Answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lookUp = f
}

// ScriptLookUps says how the next lookups are answered. All after them tell the truth.
func (g *Gateway) ScriptLookUps(answers ...Answer) {
	g.OnLookUp(func(payment.GatewayKey) (a Answer) {
		if len(answers) > 0 {
			a, answers = answers[0], answers[1:]
		}
		return a
	})
}

// IgnoreKeys makes it a gateway that does not honour gateway keys: it takes the money at
// every charge. It still knows what became of a key, by its first charge.
func (g *Gateway) IgnoreKeys() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keysIgnored = true
}

// LagLookUps makes it a gateway whose lookups do not see a charge until d after it was decided,
// and declares that.
func (g *Gateway) LagLookUps(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lag, g.capabilities.LookupLag = d, d
}

// ForgetAfter makes it a gateway that forgets a key at d after its first use, and declares that: a
// repeat is a new charge, and a lookup finds nothing unless it is declared that lookups do not forget.
func (g *Gateway) ForgetAfter(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetAfter, g.capabilities.KeyLifetime = d, d
}

// Complete decides the pending charge of a key, as [Approve] or [Decline] do. It reports whether
// there was one.
func (g *Gateway) Complete(key payment.GatewayKey, step Step) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.land(now)
	e, seen := g.ledger[key]
	if !seen || e.result.Class != payment.ClassPending {
		return false
	}
	e.result = g.take(e.charge, step.decides, now)
	g.ledger[key] = e
	return true
}

// Declare changes what the gateway declares that it can prove. By default it is what the
// gateway protocol promises, for keys that live for ever.
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
	c.HonoursKeys = c.HonoursKeys && !g.keysIgnored
	return c
}

// Charge makes one attempt, by the next step of the script.
func (g *Gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if ctx.Err() != nil {
		return payment.Result{Class: payment.ClassNotCharged, Message: "the request was not sent"}
	}
	r, step := g.receive(c)
	if step.slow > 0 && sleep(ctx, step.slow) != nil {
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: unanswered}
	}
	if step.tells.Class != "" {
		return step.tells
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.land(time.Now())
	return r.result
}

// receive takes a request in, by the next step of the script.
func (g *Gateway) receive(c payment.Charge) (*request, Step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.land(now)
	g.attempts = append(g.attempts, Attempt{Charge: c, At: now})
	step := g.next(c)
	if step.decides.Class != "" && g.processing(c.Key, now) && !g.keysIgnored {
		return nil, Running()
	}
	r := &request{charge: c, decides: step.decides, arrives: now.Add(step.late)}
	r.lands = r.arrives.Add(step.slow)
	if r.decides.Class != "" {
		g.arriving = append(g.arriving, r)
	}
	return r, step
}

// next takes the attempt's step from the scripts.
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

// land decides the requests whose time has come, in the order of that time.
func (g *Gateway) land(now time.Time) {
	slices.SortStableFunc(g.arriving, func(a, b *request) int { return a.lands.Compare(b.lands) })
	for len(g.arriving) > 0 && !g.arriving[0].lands.After(now) {
		g.decide(g.arriving[0])
		g.arriving = g.arriving[1:]
	}
}

func (g *Gateway) decide(r *request) {
	first, seen := g.remembered(r.charge.Key, r.arrives)
	switch {
	case seen && first.charge != r.charge:
		r.result = KeyReused().tells
		return
	case seen && !g.keysIgnored:
		r.result = first.result
		return
	}
	r.result = g.take(r.charge, r.decides, r.lands)
	if found := first.result.Class == payment.ClassApproved; !seen || g.keysIgnored && !found {
		g.ledger[r.charge.Key] = entry{charge: r.charge, result: r.result, used: r.arrives, landed: r.lands}
	}
}

// take returns the decision, and takes the money if it is an approval.
func (g *Gateway) take(c payment.Charge, decision payment.Result, at time.Time) payment.Result {
	if decision.Class == payment.ClassApproved {
		decision.TransactionID = fmt.Sprintf("txn-%d", len(g.taken)+1)
		g.taken = append(g.taken, Taken{c, decision.TransactionID, at})
	}
	return decision
}

// remembered returns what the ledger holds of a key that is not forgotten.
func (g *Gateway) remembered(key payment.GatewayKey, now time.Time) (entry, bool) {
	e, seen := g.ledger[key]
	if seen && g.forgetAfter > 0 && now.Sub(e.used) >= g.forgetAfter {
		return entry{}, false
	}
	return e, seen
}

// processing reports whether a request with this key has arrived and is not decided.
func (g *Gateway) processing(key payment.GatewayKey, now time.Time) bool {
	return slices.ContainsFunc(g.arriving, func(r *request) bool {
		return r.charge.Key == key && !r.arrives.After(now) && r.lands.After(now)
	})
}

// LookUp says what became of a gateway key, by the next answer of the script.
func (g *Gateway) LookUp(ctx context.Context, key payment.GatewayKey) payment.Lookup {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lookUps++
	now := time.Now()
	g.land(now)
	answer := g.lookUp(key)
	known, seen := g.remembered(key, now)
	if !g.capabilities.LookupForgets {
		known, seen = g.ledger[key]
	}
	switch {
	case ctx.Err() != nil || answer == NoAnswer:
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: unanswered}
	case answer == StillProcessing || answer == FromLedger && g.processing(key, now):
		return payment.Lookup{Result: payment.FoundProcessing}
	case answer == SaysPending:
		return payment.Lookup{Result: payment.FoundPending}
	case answer == SaysVoided:
		return payment.Lookup{Result: payment.FoundVoided}
	case answer == SaysDeclined:
		return payment.Lookup{Result: payment.FoundDeclined, Code: "card_declined", Message: "the charge was declined"}
	case answer == SaysNothing, !seen, now.Sub(known.landed) < g.lag:
		return payment.Lookup{Result: payment.FoundNothing}
	}
	if known.result.Class == payment.ClassApproved {
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: known.result.TransactionID}
	}
	if known.result.Class == payment.ClassPending {
		return payment.Lookup{Result: payment.FoundPending}
	}
	return payment.Lookup{
		Result: payment.FoundDeclined, Code: known.result.Code, Message: known.result.Message,
	}
}
