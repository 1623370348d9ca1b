package core

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// sweepEvery is the pause between two passes over the payments, and sweepPause the one between
	// two pages of a pass: a large table is read at no more than sweepPage payments a pause.
	sweepEvery = time.Minute
	sweepPause = 500 * time.Millisecond
	sweepPage  = 1000
	// maxSweepHashes bounds the memory of a pass, to 4 MiB. A table with more transactions is read in
	// several passes, each of a part of the transactions.
	maxSweepHashes = 1 << 19
	// maxShared bounds the transactions that are reported.
	maxShared = 1000
)

// sweep finds transactions that two orders have at one gateway: one of the two was never charged by
// itself. It reads the payments in the order of their ids, in the background and over and over.
type sweep struct {
	payments ports.Payments
	seed     maphash.Seed

	mu       sync.Mutex
	reported map[transaction][]payment.OrderID
}

// transaction names a transaction over all gateways.
type transaction struct {
	gateway payment.GatewayID
	id      string
}

func newSweep(payments ports.Payments) *sweep {
	return &sweep{payments: payments, seed: maphash.MakeSeed(), reported: make(map[transaction][]payment.OrderID)}
}

// SharedTransactions counts the transactions that two orders or more have at one gateway, as far as the
// sweep of this process has found them.
func (s *Service) SharedTransactions() int {
	s.sweep.mu.Lock()
	defer s.sweep.mu.Unlock()
	return len(s.sweep.reported)
}

// runSweep sweeps until ctx ends or the service stops.
func (s *Service) runSweep(ctx context.Context) {
	parts, part := uint64(1), uint64(0)
	s.countForeign(ctx)
	for s.sleepUnlessStopped(ctx, sweepEvery) {
		s.countForeign(ctx)
		var shared []uint64
		var ok bool
		shared, parts, ok = s.sweepPart(ctx, parts, part)
		part = (part + 1) % parts
		if ok && len(shared) > 0 {
			s.reportShared(ctx, shared)
		}
	}
}

// ForeignPayments counts the payments that wait because their gateway is not the configured one, as of
// the last minute.
func (s *Service) ForeignPayments() int { return int(s.foreign.Load()) }

// countForeign counts them anew, and says how many there are if that has changed.
func (s *Service) countForeign(ctx context.Context) {
	gateway := s.gateway.Capabilities().Gateway
	n, err := s.payments.CountForeign(ctx, gateway)
	if err != nil || s.foreign.Swap(int64(n)) == int64(n) {
		return // without a database, the next minute finds out
	}
	if n == 0 {
		s.log.InfoContext(ctx, "no payment waits for another gateway any more")
		return
	}
	s.log.ErrorContext(ctx, "payments wait for a gateway that is not configured: they are neither sent nor looked up; run a "+
		"replica with the PAYMENTD_GATEWAY of before until they are done, or resolve them by hand",
		"payments", n, "configured_gateway", gateway)
}

// sweepPart reads all payments once, and returns the hashes that several transactions of a part share. If
// the part is too large for the memory it goes on with half of it, and returns that there are twice as
// many parts.
func (s *Service) sweepPart(ctx context.Context, parts, part uint64) (shared []uint64, of uint64, ok bool) {
	hashes := make([]uint64, 0, sweepPage)
	ok = s.eachTransaction(ctx, func(t ports.Transaction) {
		h := s.sweep.hash(t)
		if h%parts != part {
			return
		}
		if len(hashes) == maxSweepHashes {
			parts *= 2
			hashes = slices.DeleteFunc(hashes, func(h uint64) bool { return h%parts != part })
			if h%parts != part {
				return
			}
		}
		hashes = append(hashes, h)
	})
	slices.Sort(hashes)
	for i := 1; i < len(hashes) && len(shared) < maxShared; i++ {
		if hashes[i] == hashes[i-1] && (len(shared) == 0 || shared[len(shared)-1] != hashes[i]) {
			shared = append(shared, hashes[i])
		}
	}
	return shared, parts, ok
}

// reportShared reads the payments again, for the orders whose transactions have these hashes.
func (s *Service) reportShared(ctx context.Context, shared []uint64) {
	orders := make(map[transaction][]payment.OrderID)
	if !s.eachTransaction(ctx, func(t ports.Transaction) {
		if _, found := slices.BinarySearch(shared, s.sweep.hash(t)); found {
			key := transaction{t.Gateway, t.TransactionID}
			orders[key] = append(orders[key], t.OrderID)
		}
	}) {
		return
	}
	s.sweep.mu.Lock()
	defer s.sweep.mu.Unlock()
	for t, ids := range orders {
		if len(ids) < 2 || len(s.sweep.reported[t]) >= len(ids) || len(s.sweep.reported) >= maxShared {
			continue
		}
		s.sweep.reported[t] = ids
		s.log.ErrorContext(ctx, "one transaction for several orders: at most one of them was charged by itself",
			"gateway", t.gateway, "transaction_id", t.id, "order_ids", ids[:min(len(ids), 10)], "orders", len(ids))
	}
}

// eachTransaction reads the transactions of all payments, page by page. It returns false if it was
// not read to the end.
func (s *Service) eachTransaction(ctx context.Context, visit func(ports.Transaction)) bool {
	after := payment.OrderID("")
	for {
		page, err := s.sweep.payments.Transactions(ctx, after, sweepPage)
		if err != nil {
			return false // the queue says that the database is away
		}
		for _, t := range page {
			visit(t)
		}
		if len(page) < sweepPage {
			return true
		}
		after = page[len(page)-1].OrderID
		if !s.sleepUnlessStopped(ctx, sweepPause) {
			return false
		}
	}
}

func (w *sweep) hash(t ports.Transaction) uint64 {
	return maphash.Comparable(w.seed, transaction{t.Gateway, t.TransactionID})
}

// sleepUnlessStopped reports whether d has passed, and neither ctx ended nor the service stopped.
func (s *Service) sleepUnlessStopped(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.work.ctx.Done():
	case <-ctx.Done():
	}
	return false
}
