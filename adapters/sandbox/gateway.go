package sandbox

import (
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

// Gateway is the simulated gateway. It is ports.Gateway, and what [NewServer] serves. It
// keeps all its decisions in memory as well as on the disk, and is safe for concurrent use.
type Gateway struct {
	ledger  *ledger
	id      payment.GatewayID
	latency time.Duration
	// forgetAfter is how long a key is remembered; zero for ever.
	forgetAfter time.Duration
	// keyLifetime is what is declared of that.
	keyLifetime time.Duration
	log         *slog.Logger
	closing     chan struct{}

	mu      sync.Mutex
	entries map[payment.GatewayKey]*entry // decided, and on the disk or on the way there
	// underway holds the charges that were taken in and are decided later. They are lost
	// when the sandbox stops, as a request is that never arrived.
	underway     map[payment.GatewayKey]*delayed
	failedOnce   map[payment.GatewayKey]bool
	transactions int64 // the number of the last one
	closed       bool
}

// delayed is a charge that is decided later.
type delayed struct {
	charge  payment.Charge
	amount  Amount
	decided chan struct{}
}

// Option changes a default of [Open].
type Option func(*Gateway)

// WithLatency holds each answer to a charge back for d. The charge is on the disk before
// that, so a caller that gives up meanwhile has been charged.
func WithLatency(d time.Duration) Option {
	return func(g *Gateway) { g.latency = d }
}

// WithForgetAfter makes the sandbox forget a key that was first used longer ago than d: a repeat is
// a new charge, and a lookup finds nothing. The ledger keeps both. By default, and with zero, keys
// are kept for ever.
func WithForgetAfter(d time.Duration) Option {
	return func(g *Gateway) { g.forgetAfter, g.keyLifetime = d, d }
}

// WithKeyLifetime declares that keys live for d, and makes nothing forget them; zero for ever.
func WithKeyLifetime(d time.Duration) Option {
	return func(g *Gateway) { g.keyLifetime = d }
}

// WithLog sets where the sandbox reports what an operator should know; by default
// slog.Default().
func WithLog(log *slog.Logger) Option {
	return func(g *Gateway) { g.log = log }
}

// Open returns a gateway with the ledger at path, which is created where it does not
// exist. A ledger belongs to one process at a time. A last line that a crash has torn is
// cut off, with a line in the log; any other damage is an error that names the line.
func Open(path string, opts ...Option) (*Gateway, error) {
	g := &Gateway{
		id:         gatewayID(path),
		log:        slog.Default(),
		closing:    make(chan struct{}),
		entries:    make(map[payment.GatewayKey]*entry),
		underway:   make(map[payment.GatewayKey]*delayed),
		failedOnce: make(map[payment.GatewayKey]bool),
	}
	for _, opt := range opts {
		opt(g)
	}
	if path == "" {
		return nil, errors.New("the sandbox ledger must have a path")
	}
	if g.latency < 0 {
		return nil, errors.New("the sandbox latency must not be below zero")
	}
	if g.forgetAfter < 0 || g.keyLifetime < 0 {
		return nil, errors.New("the time after which the sandbox forgets a key must not be below zero")
	}
	var err error
	if g.ledger, err = openLedger(path, g.log, g.remember); err != nil {
		return nil, err
	}
	return g, nil
}

// remember takes a line of the ledger in.
func (g *Gateway) remember(line []byte) error {
	e, err := parseLine(line)
	if err != nil {
		return err
	}
	if e.transaction != 0 {
		if e.transaction <= g.transactions {
			return fmt.Errorf("transaction_id %s does not follow txn-%d", e.transactionID(), g.transactions)
		}
		g.transactions = e.transaction
	}
	g.entries[e.charge.Key] = e
	return nil
}

// Close writes what waits to be written and gives the ledger free. Calls under way, and
// all later ones, get no answer; charges that were to be taken later are not.
func (g *Gateway) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	close(g.closing)
	g.mu.Unlock()
	return g.ledger.close()
}

// Charge makes one attempt; see ports.Gateway. It has no timeout of its own, and among
// the magic amounts is one that is answered only when ctx ends.
func (g *Gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if err := ctx.Err(); err != nil {
		return payment.Result{Class: payment.ClassNotCharged, Message: "the request was not sent: the call had ended"}
	}
	if err := checkKey(string(c.Key)); err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: err.Error()}
	}
	return g.charge(ctx, c).result()
}

// LookUp asks what became of a gateway key; see ports.Gateway.
func (g *Gateway) LookUp(ctx context.Context, key payment.GatewayKey) payment.Lookup {
	if err := ctx.Err(); err != nil {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: "the request was not sent: the call had ended"}
	}
	return g.lookUp(ctx, key).lookup()
}

// Capabilities returns what the gateway protocol promises; see ports.Gateway. The identity is the
// ledger's path.
func (g *Gateway) Capabilities() payment.Capabilities {
	return payment.Capabilities{
		Gateway: g.id, HonoursKeys: true, KeyLifetime: g.keyLifetime, LookupForgets: true, SavesDeclines: true,
	}
}

// gatewayID returns the identity of the sandbox with this ledger: its path as it was given. One
// that is too long, or not printable ASCII, is replaced by its SHA-256.
func gatewayID(path string) payment.GatewayID {
	const kind = "sandbox:"
	printable := !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r > '~' })
	if printable && len(kind)+len(path) <= payment.MaxGatewayIDBytes {
		return payment.GatewayID(kind + path)
	}
	sum := sha256.Sum256([]byte(path))
	return payment.GatewayID(kind + "#" + hex.EncodeToString(sum[:]))
}
