package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"paymentd/app/apptest/process"
)

// contender is one of the ways to take payments that are measured against each other.
type contender struct {
	name      string
	system    *system // whose processes are measured
	isService bool    // paymentd, whose memory is measured as well
	database  string  // URL
	table     string
	open      func(ctx context.Context, clients int) (payer, error)

	paid, errors int // so far, for the audit
}

// service returns paymentd as a contender.
func (s *system) service(name string) *contender {
	return &contender{
		name: name, system: s, isService: true, database: s.database, table: "payments",
		open: func(_ context.Context, clients int) (payer, error) {
			return newHTTPPayer(s.replica.URL, s.apiKey, clients), nil
		},
	}
}

// baseline returns one of the other contenders, which uses the gateway of the system and a table in
// another database.
func (s *system) baseline(name, database string) *contender {
	return &contender{
		name: name, system: s, database: database, table: name,
		open: func(ctx context.Context, clients int) (payer, error) {
			tuned := name != textbook || s.options.TunedTextbook
			db, err := openDatabase(database, tuned)
			if err != nil {
				return nil, err
			}
			kept := clients
			if !tuned {
				kept = http.DefaultMaxIdleConnsPerHost
			}
			transport, err := process.Transport(kept)
			if err != nil {
				return nil, err
			}
			gateway := &gatewayClient{url: s.gateway.URL + "/charges", transport: transport}
			switch name {
			case textbook:
				setConns(db, textbookConnections)
				return newTextbookPayer(ctx, db, gateway, clients), nil
			case batched:
				setConns(db, 2*s.options.Flushers)
				return newBatchedPayer(db, gateway, s.options.Flushers), nil
			default:
				setConns(db, min(clients, s.options.BareConns))
				return newBarePayer(db, gateway), nil
			}
		},
	}
}

func setConns(db *sql.DB, n int) {
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
}

// slice is what one contender did in one round.
type slice struct {
	outcome

	from, to reading
	peak     float64 // resident bytes of the service
}

// slice lets clients pay for a while.
func (c *contender) slice(ctx context.Context, clients int) (s slice, err error) {
	p, err := c.open(ctx, clients)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	o := c.system.options
	peak := watchMemory(ctx, c.system.replica.PID())
	s.outcome, err = closedLoop(ctx, p, clients, func() string { return c.system.orders.next(c.name) }, func() (from, to time.Time, err error) {
		if err := sleep(ctx, o.WarmUp+time.Duration(clients)*time.Millisecond/2); err != nil {
			return from, to, err
		}
		if s.from, err = c.system.read(ctx); err != nil {
			return from, to, err
		}
		from = time.Now()
		err = sleep(ctx, o.For)
		to = time.Now()
		if err == nil {
			s.to, err = c.system.read(ctx)
		}
		return from, to, err
	})
	s.peak = peak()
	c.paid += s.paid
	c.errors += s.errors
	return s, err
}

// rounds measures the contenders in turn, round after round.
func (h *harness) rounds(ctx context.Context, clients int, s *system, contenders ...*contender) (row, error) {
	gateway := s.describeGateway()
	slices := make([][]slice, len(contenders))
	for round := range h.options.Rounds {
		h.say("%d clients, gateway %s: round %d of %d", clients, gateway, round+1, h.options.Rounds)
		for i, c := range contenders {
			s, err := c.slice(ctx, clients)
			if err != nil {
				return row{}, fmt.Errorf("%s with %d clients: %w", c.name, clients, err)
			}
			slices[i] = append(slices[i], s)
		}
	}
	r := row{Clients: clients, Gateway: gateway}
	for i, c := range contenders {
		r.Results = append(r.Results, newResult(c, slices[i]))
		r.Results[i].Ratio = ratios(r.Results[0].perSecond, r.Results[i].perSecond)
	}
	return r, nil
}

// audit compares the responses, the table and the ledger of the gateway.
type audit struct {
	Contender string `json:"contender"`
	Gateway   string `json:"gateway"`
	Paid      int    `json:"paid"`      // responses with success
	Errors    int    `json:"errors"`    // other responses
	Succeeded int    `json:"succeeded"` // in the table
	Charges   int    `json:"charges"`   // in the ledger
	Charged   int    `json:"charged"`   // orders in the ledger

	isService bool
}

// check returns an error if a payment of paymentd is missing, was added, or was charged twice. A payment
// whose client received an error may have succeeded. Of the other contenders, no payment may be missing.
func (a audit) check() error {
	switch {
	case !a.isService && a.Succeeded >= a.Paid:
		return nil
	case a.Succeeded < a.Paid, a.Succeeded > a.Paid+a.Errors:
		return fmt.Errorf("%s: %d responses with success and %d errors, but %d payments succeeded", a.Contender, a.Paid, a.Errors, a.Succeeded)
	case a.Charges != a.Charged:
		return fmt.Errorf("%s: %d charges of %d orders: orders were charged twice", a.Contender, a.Charges, a.Charged)
	case a.Charges < a.Succeeded, a.Charges > a.Paid+a.Errors:
		return fmt.Errorf("%s: %d charges in the ledger, but %d payments succeeded", a.Contender, a.Charges, a.Succeeded)
	}
	return nil
}

// check returns the first error of the audits.
func (f *report) check() error {
	for _, a := range f.Audits {
		if err := a.check(); err != nil {
			return err
		}
	}
	return nil
}

// audit adds the audits of the contenders.
func (f *report) audit(ctx context.Context, contenders ...*contender) error {
	for _, c := range contenders {
		a, err := c.audit(ctx)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		f.Audits = append(f.Audits, a)
	}
	return nil
}

// audit reads the table and the ledger.
func (c *contender) audit(ctx context.Context) (a audit, err error) {
	a = audit{Contender: c.name, Gateway: c.system.describeGateway(), Paid: c.paid, Errors: c.errors, isService: c.isService}
	db, err := openDatabase(c.database, true)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	query := "SELECT COUNT(*) FROM " + c.table + " WHERE state = 'succeeded'"
	if err := db.QueryRowContext(ctx, query).Scan(&a.Succeeded); err != nil {
		return a, fmt.Errorf("count the payments of %s: %w", c.name, err)
	}
	a.Charges, a.Charged, err = c.system.charges(ctx, c.name)
	return a, err
}

// charges counts the charges of a contender in the ledger, and their orders.
func (s *system) charges(ctx context.Context, contender string) (charges, orders int, err error) {
	text, err := get(ctx, s.gateway.URL+"/ledger", "")
	if err != nil {
		return 0, 0, fmt.Errorf("read the ledger: %w", err)
	}
	seen := make(map[string]struct{})
	for line := range strings.Lines(text) {
		if _, rest, found := strings.Cut(line, `"order_id":"`+contender+"-"); found && strings.Contains(rest, `"status":"succeeded"`) {
			id, _, _ := strings.Cut(rest, `"`)
			seen[id] = struct{}{}
			charges++
		}
	}
	return charges, len(seen), nil
}

func (s *system) describeGateway() string { return fmt.Sprintf("%s %v", s.protocol, s.latency) }
