package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

const (
	hotClients    = 1000
	hotLatency    = 6 * time.Second // of the gateway; one request charges, the others wait
	hotArrival    = 2 * time.Second // after this time all clients wait
	hotWatched    = 3 * time.Second
	memoryClients = 1000
	memoryLatency = time.Second
	memoryBursts  = 3
	memoryTarget  = 120 // MB
	fewConns      = 2   // to the database: too few to hold one per payment for a second
	sqliteClients = 64
	starts        = 10
)

// everythingClients are the numbers of clients of the row "everything".
var everythingClients = []int{64, 256}

// specials measures the special rows that the options name.
func (h *harness) specials(ctx context.Context, found *report) error {
	measure := map[string]func(context.Context, *report) error{
		"hot": h.hotOrder, "memory": h.memory, "sqlite": h.sqlite, "start": h.start, "everything": h.everything,
	}
	for _, name := range h.options.Special {
		h.say("special row %s", name)
		if err := measure[name](ctx, found); err != nil {
			return fmt.Errorf("special row %s: %w", name, err)
		}
	}
	if h.options.Rows == 0 {
		return nil
	}
	if err := h.rows(ctx, found); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	return nil
}

// hotOrder counts the statements while a thousand clients wait for the payment of one order.
func (h *harness) hotOrder(ctx context.Context, found *report) error {
	return h.with(ctx, setup{name: "hot", latency: hotLatency}, func(s *system) error {
		idle, err := h.statementsPerSecond(ctx, hotWatched)
		if err != nil {
			return err
		}
		p := newHTTPPayer(s.replica.URL, s.apiKey, hotClients)
		order := h.orders.next(paymentd)
		outcomes := make(chan outcome, 1)
		go func() { outcomes <- burst(ctx, p, hotClients, func() string { return order }) }()
		if err := sleep(ctx, hotArrival); err != nil {
			return err
		}
		waiting, err := h.statementsPerSecond(ctx, hotWatched)
		got := <-outcomes
		if err != nil {
			return err
		}
		charges, _, err := s.charges(ctx, paymentd)
		if err != nil {
			return err
		}
		found.Sections = append(found.Sections, section{
			Title: fmt.Sprintf("%d clients wait for one order", hotClients),
			Figures: []figure{
				{"statements while they wait", waiting, "a second"},
				{"statements without clients", idle, "a second"},
				{"responses with the transaction", float64(got.paid), ""},
				{"errors", float64(got.errors), ""},
				{"charges", float64(charges), ""},
			},
		})
		return p.close()
	})
}

// statementsPerSecond counts the statements of all processes but this one.
func (h *harness) statementsPerSecond(ctx context.Context, during time.Duration) (float64, error) {
	before, after := make(map[string]float64), make(map[string]float64)
	err := h.readCounters(ctx, before)
	began := time.Now()
	err = errors.Join(err, sleep(ctx, during), h.readCounters(ctx, after))
	return (after[statements] - before[statements] - statementsOfReading) / time.Since(began).Seconds(), err
}

// memory measures a thousand payments at once at a gateway that takes a second, with each protocol; and
// with two connections to the database, which shows that no payment holds one while it waits.
func (h *harness) memory(ctx context.Context, found *report) error {
	for _, protocol := range h.options.Gateway {
		c := setup{name: "memory_" + protocol, latency: memoryLatency, protocol: protocol, full: h.options.Full}
		if err := h.with(ctx, c, func(s *system) error { return s.measureMemory(ctx, found) }); err != nil {
			return err
		}
	}
	few := setup{name: "few", latency: memoryLatency, env: map[string]string{"PAYMENTD_DATABASE_CONNECTIONS": strconv.Itoa(fewConns)}}
	return h.with(ctx, few, func(s *system) error {
		c := s.service(paymentd)
		took, err := c.burst(ctx, memoryClients)
		found.Sections = append(found.Sections, section{
			Title:   fmt.Sprintf("%d payments at once, %d connections to the database", memoryClients, fewConns),
			Figures: []figure{{"time until all are paid", took, "s"}},
		})
		return errors.Join(err, found.audit(ctx, c))
	})
}

func (s *system) measureMemory(ctx context.Context, found *report) error {
	c := s.service(paymentd)
	idle, err := s.stacks(ctx)
	if err != nil {
		return err
	}
	peak := watchMemory(ctx, s.replica.PID())
	var took []float64
	var waiting stacks
	for range memoryBursts {
		looked := make(chan error, 1)
		go func() {
			err := sleep(ctx, memoryLatency*3/4) // all payments are at the gateway
			if err == nil {
				waiting, err = s.stacks(ctx)
			}
			looked <- err
		}()
		seconds, err := c.burst(ctx, memoryClients)
		if err := errors.Join(err, <-looked); err != nil {
			return err
		}
		took = append(took, seconds)
	}
	const each = float64(memoryClients)
	found.Sections = append(found.Sections, section{
		Title: fmt.Sprintf("%d payments at once at a gateway that takes %v, over %s", memoryClients, memoryLatency, protocolNames[s.protocol]),
		Figures: []figure{
			{fmt.Sprintf("peak resident memory (target: under %d MB)", memoryTarget), peak() / 1e6, "MB"},
			{"stacks per waiting payment", (waiting.bytes - idle.bytes) / each, "B"},
			{"goroutines per waiting payment, with that of its client's connection", (waiting.goroutines - idle.goroutines) / each, ""},
			{"time until all are paid", median(took), "s"},
		},
	})
	return found.audit(ctx, c)
}

// burst pays once per client, and returns the seconds until all are paid.
func (c *contender) burst(ctx context.Context, clients int) (float64, error) {
	p, err := c.open(ctx, clients)
	if err != nil {
		return 0, err
	}
	got := burst(ctx, p, clients, func() string { return c.system.orders.next(c.name) })
	c.paid += got.paid
	c.errors += got.errors
	return got.seconds, p.close()
}

// stacks are those of the goroutines of a service.
type stacks struct{ goroutines, bytes float64 }

func (s *system) stacks(ctx context.Context) (found stacks, err error) {
	memory := make(map[string]float64)
	if err := s.readMemory(ctx, memory); err != nil {
		return found, err
	}
	found.bytes = memory[stackBytes]
	profile, err := get(ctx, s.debug+"/pprof/goroutine?debug=1", "")
	if err != nil {
		return found, err
	}
	if _, err := fmt.Sscanf(profile, "goroutine profile: total %f", &found.goroutines); err != nil {
		return found, fmt.Errorf("read the goroutine profile: %w", err)
	}
	return found, nil
}

// sqlite measures the service on a file, beside the flushes of the same disk.
func (h *harness) sqlite(ctx context.Context, found *report) error {
	file := filepath.Join(h.folder, "payments.db")
	return h.with(ctx, setup{database: "sqlite:" + file, full: h.options.Full}, func(s *system) error {
		flushes, err := flushesPerSecond(h.folder)
		if err != nil {
			return err
		}
		c := s.service("sqlite")
		r, err := h.rounds(ctx, sqliteClients, s, c)
		if err != nil {
			return err
		}
		found.Sections = append(found.Sections, section{
			Title: "SQLite", Rows: []row{r},
			Figures: []figure{{"flushes of one thread to the same disk; a payment that shares none needs two", flushes, "a second"}},
		})
		return found.audit(ctx, c)
	})
}

// start measures the time from exec to ready on a database that exists.
func (h *harness) start(ctx context.Context, found *report) error {
	found.Sections = append(found.Sections, section{Title: fmt.Sprintf("From exec to ready on an existing database, median of %d starts", starts)})
	into := &found.Sections[len(found.Sections)-1]
	for name, c := range map[string]setup{
		"MySQL": {name: "start"}, "SQLite": {database: "sqlite:" + filepath.Join(h.folder, "start.db")},
	} {
		if err := h.with(ctx, c, func(s *system) error {
			var took []float64
			for range starts {
				if err := s.replica.Stop(stopLimit); err != nil {
					return err
				}
				if err := s.startReplica(ctx); err != nil {
					return err
				}
				took = append(took, float64(time.Since(s.replica.Started))/float64(time.Millisecond))
			}
			into.Figures = append(into.Figures, figure{name, median(took), "ms"})
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// everything compares a service with API keys, limits, scraped metrics and traces to one without.
func (h *harness) everything(ctx context.Context, found *report) error {
	return h.with(ctx, setup{name: "everything_on", full: true}, func(on *system) error {
		return h.with(ctx, setup{name: "everything_off"}, func(off *system) error {
			contenders := []*contender{on.service("on"), off.service("off")}
			before := h.traceBytes.Load()
			s := section{Title: "API keys, limits, metrics scraped every second and traces of 10 %: on, beside off"}
			for _, clients := range everythingClients {
				r, err := h.rounds(ctx, clients, on, contenders...)
				if err != nil {
					return err
				}
				s.Rows = append(s.Rows, r)
			}
			s.Figures = []figure{
				{"scrapes", float64(on.scrapes.Load()), ""}, {"traces", float64(h.traceBytes.Load() - before), "B"},
			}
			found.Sections = append(found.Sections, s)
			return found.audit(ctx, contenders...)
		})
	})
}
