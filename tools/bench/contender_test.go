package bench

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest/process"
)

// Names of the contenders, and the time before a slice, to which half a millisecond per client is added.
const (
	paymentd = "paymentd"
	bare     = "bare"
	textbook = "textbook"
	warmUp   = 400 * time.Millisecond
)

// contender is one of the ways to take payments that are measured against each other.
type contender struct {
	name      string
	system    *system // whose processes are measured
	isService bool    // paymentd
	table     string
	open      func(clients int) payer
	// next returns the order of the next payment; a new one by default.
	next func() string

	paid, errors int // so far, for the audit
}

// service returns paymentd as a contender.
func (s *system) service(name string) *contender {
	return &contender{
		name: name, system: s, isService: true, table: s.name + ".payments",
		open: func(clients int) payer { return newHTTPPayer(s.replica.URL, s.apiKey, clients) },
	}
}

// baseline returns one of the other contenders, which uses the gateway of the system and a table of its
// own in the database.
func (s *system) baseline(t *testing.T, name string) *contender {
	t.Helper()
	db := openDatabase(t, s.database, name == bare)
	execute(t, db, fmt.Sprintf(paymentsTable, name))
	return &contender{name: name, system: s, table: s.name + "." + name, open: func(clients int) payer {
		kept := clients
		if name == textbook {
			kept = http.DefaultMaxIdleConnsPerHost
		}
		transport, err := process.Transport(kept)
		require.NoError(t, err)
		gateway := &gatewayClient{url: s.gateway.URL + "/charges", transport: transport}
		if name == bare {
			setConns(db, min(clients, bareConnections))
			return &barePayer{db: db, gateway: gateway}
		}
		setConns(db, textbookConnections)
		return newTextbookPayer(db, gateway, clients)
	}}
}

func setConns(db *sql.DB, n int) {
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
}

// slice is what one contender did in one round.
type slice struct {
	outcome

	from, to reading
}

// slice lets clients pay for a while.
func (c *contender) slice(t *testing.T, clients int) (s slice) {
	t.Helper()
	p := c.open(clients)
	defer p.close()
	s.outcome = closedLoop(t.Context(), p, clients, c.order, func() (from, to time.Time) {
		_ = sleep(t.Context(), warmUp+time.Duration(clients)*time.Millisecond/2)
		s.from = c.system.read(t)
		from = time.Now()
		_ = sleep(t.Context(), c.system.slice)
		to = time.Now()
		s.to = c.system.read(t)
		return from, to
	})
	c.count(s.outcome)
	return s
}

// burst pays once per client, and returns the seconds until all are paid.
func (c *contender) burst(ctx context.Context, clients int) float64 {
	p := c.open(clients)
	defer p.close()
	got := burst(ctx, p, clients, c.order)
	c.count(got)
	return got.seconds
}

func (c *contender) order() string {
	if c.next != nil {
		return c.next()
	}
	return c.system.order(c.name)
}

func (c *contender) count(o outcome) { c.paid, c.errors = c.paid+o.paid, c.errors+o.errors }

// rounds measures the contenders in turn, round after round, and prints the progress.
func (h *harness) rounds(t *testing.T, clients int, s *system, contenders ...*contender) row {
	t.Helper()
	r := row{clients: clients, gateway: fmt.Sprint(s.protocol, " ", s.latency)}
	slicesOf := make([][]slice, len(contenders))
	for round := range h.options.rounds {
		t.Logf("%d clients, gateway %s: round %d of %d", clients, r.gateway, round+1, h.options.rounds)
		for i, c := range contenders {
			slicesOf[i] = append(slicesOf[i], c.slice(t, clients))
		}
	}
	for i, c := range contenders {
		r.results = append(r.results, newResult(c, slicesOf[i]))
		r.results[i].ratio = ratios(r.results[0].perSecond, r.results[i].perSecond)
	}
	return r
}

// audit compares the responses, the table and the ledger of the gateway.
type audit struct {
	contender string
	isService bool
	paid      int // responses with success
	errors    int // other responses
	succeeded int // in the table
	charges   int // in the ledger
	charged   int // orders in the ledger
}

// check returns an error if a payment of paymentd is missing, was added, or was charged twice. A payment
// whose client received an error may have succeeded. Of the other contenders, no payment may be missing.
func (a audit) check() error {
	switch {
	case !a.isService && a.succeeded >= a.paid:
		return nil
	case a.succeeded < a.paid, a.succeeded > a.paid+a.errors:
		return fmt.Errorf("%s: %d responses with success and %d errors, but %d payments succeeded", a.contender, a.paid, a.errors, a.succeeded)
	case a.charges != a.charged:
		return fmt.Errorf("%s: %d charges of %d orders: orders were charged twice", a.contender, a.charges, a.charged)
	case a.charges < a.succeeded, a.charges > a.paid+a.errors:
		return fmt.Errorf("%s: %d charges in the ledger, but %d payments succeeded", a.contender, a.charges, a.succeeded)
	}
	return nil
}

// audit fails the test if a payment of the contenders is missing or was charged twice. Payments that
// were copied into the table of the first one, without a charge, are given.
func (s *system) audit(t *testing.T, copies int, contenders ...*contender) {
	t.Helper()
	for i, c := range contenders {
		a := audit{contender: c.name, isService: c.isService, paid: c.paid, errors: c.errors}
		require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+c.table+" WHERE state = 'succeeded'").Scan(&a.succeeded))
		if i == 0 {
			a.succeeded -= copies
		}
		a.charges, a.charged = c.system.succeeded(t, c.name, charge)
		require.NoError(t, a.check())
		t.Logf("%s: %d paid, %d errors; %d succeeded in the table; %d charges in the ledger: consistent",
			a.contender, a.paid, a.errors, a.succeeded, a.charges)
	}
}

// Kinds of the entries of the ledger.
const (
	charge         = "charge"
	capture        = "capture"
	refundOfCharge = "refund"
)

// kindOf returns the kind of a line of the ledger.
func kindOf(line string) string {
	switch {
	case strings.Contains(line, `"operation":"capture"`):
		return capture
	case strings.Contains(line, `"charge_key"`):
		return refundOfCharge
	}
	return charge
}

// succeeded counts what succeeded of a kind in the ledger, of orders that begin with the name of a contender, and these
// orders.
func (s *system) succeeded(t *testing.T, contender, kind string) (entries, orders int) {
	t.Helper()
	ledger := s.get(t.Context(), s.gateway.URL+"/ledger")
	require.NoError(t, ledger.Err)
	var seen []string
	for line := range strings.Lines(ledger.Raw) {
		if _, rest, found := strings.Cut(line, `"order_id":"`+contender+"-"); found && kindOf(line) == kind && strings.Contains(rest, `"status":"succeeded"`) {
			id, _, _ := strings.Cut(rest, `"`)
			seen = append(seen, id)
		}
	}
	slices.Sort(seen)
	return len(seen), len(slices.Compact(seen))
}
