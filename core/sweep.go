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
	// sweepEvery is the pause between two passes over the payments, and sweepPause the pause between
	// two pages of a pass. A large table is read at no more than sweepPage payments per sweepPause.
	sweepEvery = time.Minute
	sweepPause = 500 * time.Millisecond
	sweepPage  = 1000
	// maxSweepHashes limits the memory of a pass to 4 MiB. A table with more transactions is read in
	// several passes, each for a part of the transactions.
	maxSweepHashes = 1 << 19
	// maxShared limits the transactions that are reported.
	maxShared = 1000
)

// sweep finds transactions that several orders have at one gateway: at most one of the orders was
// charged. It reads all payments in the order of their ids, repeatedly, in the background.
type sweep struct {
	payments ports.Payments
	seed     maphash.Seed

	mu       sync.Mutex
	reported map[transaction][]payment.OrderID
}

// transaction identifies a transaction among all gateways.
type transaction struct {
	gateway payment.GatewayID
	id      string
}

func newSweep(payments ports.Payments) *sweep {
	return &sweep{payments: payments, seed: maphash.MakeSeed(), reported: make(map[transaction][]payment.OrderID)}
}

// SharedTransactions counts the transactions that several orders have at one gateway, as found by this
// process so far.
func (s *Service) SharedTransactions() int {
	s.sweep.mu.Lock()
	defer s.sweep.mu.Unlock()
	return len(s.sweep.reported)
}

// runSweep sweeps, and counts foreign payments, until ctx ends or the service stops.
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

// sweepPart reads all payments once, and returns the hashes that occur several times among the
// transactions of one part. If the part exceeds maxSweepHashes, it continues with half of the part, and
// returns twice the number of parts.
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

// reportShared reads the payments again, and logs the orders whose transactions have these hashes.
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
		s.log.ErrorContext(ctx, "one transaction for several orders: at most one of them was charged",
			"gateway", t.gateway, "transaction_id", t.id, "order_ids", ids[:min(len(ids), 10)], "orders", len(ids))
	}
}

// eachTransaction visits the transactions of all payments, page by page. It returns false if an error
// or a stop ended it early.
func (s *Service) eachTransaction(ctx context.Context, visit func(ports.Transaction)) bool {
	after := payment.OrderID("")
	for {
		page, err := s.sweep.payments.Transactions(ctx, after, sweepPage)
		if err != nil {
			return false // the queue logs the outage
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

// sleepUnlessStopped sleeps for d. It returns false if ctx ends or the service stops before.
func (s *Service) sleepUnlessStopped(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.work.ctx.Done():
	case <-ctx.Done():
	}
	return false
}
