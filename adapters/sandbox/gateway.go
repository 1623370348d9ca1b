package sandbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"paymentd/core/payment"
)

// Gateway is the simulated gateway. It implements ports.Gateway, and [NewServer] serves it. It holds
// all its decisions in memory as well as on disk, and is safe for concurrent use.
type Gateway struct {
	ledger  *ledger
	id      payment.GatewayID
	latency time.Duration
	// forgetAfter is how long a key is remembered; zero for ever.
	forgetAfter time.Duration
	// holdFor is how long money is held.
	holdFor time.Duration
	// keyLifetime is the lifetime of a key that Capabilities declares.
	keyLifetime time.Duration
	log         *slog.Logger
	closing     chan struct{}
	events      *events // nil if none are sent
	sending     sync.WaitGroup

	mu         sync.Mutex
	entries    map[slot]*entry // by the key that is remembered; synced or being synced
	listed     []*entry        // all charges, in the order of the ledger
	operations []*entry        // all other operations, in the order of the ledger
	// inFlight has the operations that are decided later. They are lost when the sandbox stops, like
	// requests that never arrived.
	inFlight     map[slot]*delayed
	failedOnce   map[slot]bool
	transactions map[payment.Kind]int64 // the number of the latest one
	closed       bool
}

// delayed is an operation that is decided later.
type delayed struct {
	charge  payment.Charge
	amount  Amount
	decided chan struct{}
}

// Option changes a default of [Open].
type Option func(*Gateway)

// WithLatency delays each answer to a charge or another operation by d. The decision is synced before the delay, so a caller
// that gives up during it has been charged.
func WithLatency(d time.Duration) Option {
	return func(g *Gateway) { g.latency = d }
}

// WithID sets the identity of the sandbox. By default, and if id is empty, its ledger is its identity.
func WithID(id payment.GatewayID) Option {
	return func(g *Gateway) { g.id = cmp.Or(id, g.id) }
}

// WithForgetAfter makes the sandbox forget a key d after its first use: a repeat is a new charge, and a
// lookup finds nothing. The ledger keeps both charges. By default, and with zero, keys never expire.
func WithForgetAfter(d time.Duration) Option {
	return func(g *Gateway) { g.forgetAfter, g.keyLifetime = d, d }
}

// WithKeyLifetime declares that keys live for d, without forgetting them; zero for ever.
func WithKeyLifetime(d time.Duration) Option {
	return func(g *Gateway) { g.keyLifetime = d }
}

// WithLog sets the log; by default slog.Default().
func WithLog(log *slog.Logger) Option {
	return func(g *Gateway) { g.log = log }
}

// Open returns a gateway with the ledger at path, which is created if it does not exist. Only one
// process at a time can open a ledger. A last line that a crash left incomplete is removed and logged;
// any other damage is an error that names the line.
func Open(path string, opts ...Option) (*Gateway, error) {
	g := newGateway(path, opts)
	if path == "" {
		return nil, errors.New("the sandbox ledger must have a path")
	}
	if g.latency < 0 {
		return nil, errors.New("the sandbox latency must not be below zero")
	}
	if g.holdFor <= 0 {
		return nil, errors.New("the time for which the sandbox holds money must be above zero")
	}
	if g.forgetAfter < 0 || g.keyLifetime < 0 {
		return nil, errors.New("the time after which the sandbox forgets a key must not be below zero")
	}
	var err error
	if g.ledger, err = openLedger(path, g.log, g.remember); err != nil {
		return nil, err
	}
	g.sendEvents()
	g.resume()
	return g, nil
}

// newGateway returns a gateway without a ledger.
func newGateway(path string, opts []Option) *Gateway {
	g := &Gateway{
		id:           gatewayID(path),
		log:          slog.Default(),
		closing:      make(chan struct{}),
		holdFor:      defaultHoldFor,
		entries:      make(map[slot]*entry),
		inFlight:     make(map[slot]*delayed),
		failedOnce:   make(map[slot]bool),
		transactions: make(map[payment.Kind]int64),
	}
	for _, opt := range opts {
		opt(g)
	}
	return g
}

// remember adds a line of the ledger to the entries.
func (g *Gateway) remember(line []byte) error {
	e, err := parseLine(line)
	if err != nil {
		return err
	}
	if e.of = g.chargeOf(e.charge); e.of == nil && !e.charge.Operation.IsCharge() {
		return errors.New("it is of a charge that no line before has")
	}
	before := g.entries[slotOf(e.charge)]
	if !e.decidedAt.IsZero() && !before.mayBecome(e) {
		return errors.New("it decides a charge that is not pending, ends a hold that is not there, or returns a refund that has not succeeded")
	}
	if err := g.rememberTransaction(e, before); err != nil {
		return err
	}
	switch {
	case !e.decidedAt.IsZero():
		before.release()
		e.of, e.refunded, e.claims = before.of, before.refunded, before.claims
		*before = *e
		e = before
	case e.of == nil:
		g.listed = append(g.listed, e)
	default:
		g.operations = append(g.operations, e)
	}
	e.reserve()
	g.entries[slotOf(e.charge)] = e
	return g.rememberHold(e)
}

// rememberTransaction counts the transaction of an entry, unless the entry before it had it.
func (g *Gateway) rememberTransaction(e, before *entry) error {
	if e.transaction == 0 || !e.decidedAt.IsZero() && before.transaction == e.transaction {
		return nil
	}
	kind := e.charge.Operation.Kind
	if e.transaction <= g.transactions[kind] {
		return fmt.Errorf("transaction_id %s does not follow %s%d", e.transactionID(), prefixes[kind], g.transactions[kind])
	}
	g.transactions[kind] = e.transaction
	return nil
}

// rememberHold does what an entry does to the hold of its charge, or to the void that has ended its own.
func (g *Gateway) rememberHold(e *entry) error {
	switch kind := e.charge.Operation.Kind; {
	case kind == payment.KindCapture && e.status == statusSucceeded:
		if e.of.status != statusAuthorized || e.charge.Money.Minor() > e.of.charge.Money.Minor() {
			return errors.New("it captures money that is not held")
		}
		e.captures()
	case kind == payment.KindCharge && e.status == statusVoided && e.voidKey != "":
		g.rememberVoid(e)
	}
	return nil
}

// rememberVoid adds the void that has ended a charge, or decides it if it was pending.
func (g *Gateway) rememberVoid(charge *entry) {
	c := operation(payment.KindVoid, charge.charge.Key, charge.voidKey, charge.charge.Money)
	c.OrderID = charge.charge.OrderID
	e := g.entries[slotOf(c)]
	if e == nil {
		e = &entry{charge: c, at: charge.decidedAt, of: charge}
		g.entries[slotOf(c)] = e
		g.operations = append(g.operations, e)
	}
	e.release()
	e.status = statusSucceeded
}

// mayBecome reports whether a later line of the ledger follows the entry, which is nil if there is none.
func (e *entry) mayBecome(later *entry) bool {
	if e == nil || e.charge != later.charge {
		return false
	}
	switch e.status {
	case statusPending:
		return later.status != statusReturned
	case statusAuthorized:
		return later.status == statusVoided && later.transaction == e.transaction
	case statusSucceeded:
		return later.status == statusReturned && later.transaction == e.transaction
	}
	return false
}

// Close waits for pending writes and closes the ledger. Calls in flight and later calls get no answer,
// and charges in flight are not made.
func (g *Gateway) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	close(g.closing)
	g.mu.Unlock()
	g.sending.Wait()
	return g.ledger.close()
}

// Charge makes one attempt at a charge or another operation; see ports.Gateway. It has no timeout of its own, and one
// magic amount is answered only when ctx ends.
func (g *Gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if err := ctx.Err(); err != nil {
		return payment.Result{Class: payment.ClassNotCharged, Message: "the request was not sent: the call had ended"}
	}
	if err := checkKey(string(c.Key)); err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: err.Error()}
	}
	switch c.Operation.Kind {
	case payment.KindCharge:
		c.ReturnURL = "" // is not part of the gateway protocol
	case payment.KindCapture, payment.KindVoid, payment.KindRefund:
		name := c.Operation.Name
		c = operation(c.Operation.Kind, c.Of.Key, c.Key, c.Money)
		c.Operation.Name = name
	default:
		return payment.Result{Class: payment.ClassRejected, Message: "the sandbox has no " + c.Operation.String()}
	}
	return g.charge(ctx, c).result(c)
}

// LookUp returns the state of the gateway key of an operation; see ports.Gateway.
func (g *Gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if err := ctx.Err(); err != nil {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: "the request was not sent: the call had ended"}
	}
	return g.lookUp(ctx, slot{ref.Operation.Kind, ref.Key}, ref.Of.Key).lookup(ref)
}

// Cancel voids the charge if it is pending or holds money; see ports.Gateway. Other operations cannot be cancelled.
func (g *Gateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ctx.Err() == nil && ref.Operation.IsCharge() {
		g.charge(ctx, operation(payment.KindVoid, ref.Key, cancelPrefix+ref.Key, payment.Money{}))
	}
	return g.LookUp(ctx, ref)
}

// Capabilities returns the guarantees of the gateway protocol; see ports.Gateway. The identity is the
// ledger's path.
func (g *Gateway) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		Gateway: g.id, Repeat: payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: g.keyLifetime, LookupForgets: true, SavesDeclines: true,
		Cancels:      true,
		Asynchronous: payment.OperationCharge | payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
		Operations:   payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
	}
}

// gatewayID returns the identity of the sandbox with this ledger: its path as given. A path that is too
// long, or not printable ASCII, is replaced by its SHA-256.
func gatewayID(path string) payment.GatewayID {
	const kind = "sandbox:"
	printable := !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r > '~' })
	if printable && len(kind)+len(path) <= payment.MaxGatewayIDBytes {
		return payment.GatewayID(kind + path)
	}
	sum := sha256.Sum256([]byte(path))
	return payment.GatewayID(kind + "#" + hex.EncodeToString(sum[:]))
}
