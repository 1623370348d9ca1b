package mysqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/payment"
)

// Two replicas make twenty concurrent claims of a new order.
func TestClaim_ConcurrentClaimsHaveOneWinner(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	replicas := []*mysqlstore.Payments{
		open(t, databaseURL, mysqlstore.Options{}), open(t, databaseURL, mysqlstore.Options{}),
	}
	for round := range 10 {
		const claims = 20
		a := request(t, payment.OrderID(fmt.Sprintf("order-%d", round)))
		verdicts := make(chan payment.Verdict, claims)
		start := make(chan struct{})
		var all sync.WaitGroup
		for i := range claims {
			all.Go(func() {
				<-start
				_, verdict, err := replicas[i%2].Claim(t.Context(), a)
				if err != nil {
					t.Error(err)
				}
				verdicts <- verdict
			})
		}
		close(start)
		all.Wait()
		count := make(map[payment.Verdict]int)
		for range claims {
			count[<-verdicts]++
		}
		require.Equal(t, map[payment.Verdict]int{payment.VerdictClaimed: 1, payment.VerdictBusy: claims - 1}, count)
	}
}

// holders records the holder of each fencing token.
type holders struct {
	mu    sync.Mutex
	count map[string]int
}

func (h *holders) add(p payment.Payment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count[fmt.Sprintf("%s, fence %d", p.OrderID, p.Fence)]++
}

// Workers make all kinds of changes to a few orders. No deadlock reaches a caller, and each fencing
// token has one holder.
func TestPayments_ConcurrentChangesOfFewOrders(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	replicas := []*mysqlstore.Payments{
		open(t, databaseURL, mysqlstore.Options{}), open(t, databaseURL, mysqlstore.Options{}),
	}
	const workers, steps, orders = 8, 25, 3
	held := &holders{count: make(map[string]int)}
	var all sync.WaitGroup
	for worker := range workers {
		s := replicas[worker%len(replicas)]
		all.Go(func() {
			for step := range steps {
				id := payment.OrderID(fmt.Sprintf("order-%d", (worker+step)%orders))
				if err := makeStep(t.Context(), s, request(t, id), held, worker+step); err != nil {
					t.Errorf("worker %d, step %d: %v", worker, step, err)
				}
			}
		})
	}
	all.Wait()
	for holder, n := range held.count {
		require.Equal(t, 1, n, holder)
	}
}

// beatAndRelease sends a heartbeat for one replica, and releases all others.
func beatAndRelease(ctx context.Context, s *mysqlstore.Payments, replica string) error {
	if err := s.Heartbeat(ctx, replica); err != nil {
		return err
	}
	beats, err := s.Heartbeats(ctx, replica)
	for i := 0; i < len(beats) && err == nil; i++ {
		_, err = s.Release(ctx, beats[i])
	}
	return err
}

// concurrently returns the policy of each kind of work in turn, with claims that expire at once.
func concurrently(n int) payment.PickUpPolicy {
	works := []payment.Work{payment.WorkCharges, payment.WorkTakeovers, payment.WorkLookups}
	on := policy(works[n/5%len(works)])
	on.Lease, on.Rules.LookupFirst = 0, time.Microsecond
	return on
}

// makeStep makes the n-th change.
func makeStep(ctx context.Context, s *mysqlstore.Payments, a payment.ClaimRequest, held *holders, n int) error {
	a.Lease = 0 // so that the next one takes it over
	switch n % 5 {
	case 0:
		due, err := s.ClaimDue(ctx, concurrently(n), 2)
		for _, d := range due {
			held.add(d.Payment)
		}
		return err
	case 1:
		return beatAndRelease(ctx, s, a.Replica)
	}
	p, verdict, err := s.Claim(ctx, a)
	if err != nil || verdict != payment.VerdictClaimed {
		return err
	}
	held.add(*p)
	switch n % 3 {
	case 0:
		err = s.Renew(ctx, payment.Renewal{
			ClaimRef: p.ClaimRef(), Next: true,
			End: payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownAnswered}},
		})
	case 1:
		settlement := approved(*p)
		settlement.End.Result = payment.Result{Class: payment.ClassDeclined}
		settlement.Outcome = payment.Outcome{State: payment.StateDeclined, Code: "no"}
		err = s.Settle(ctx, settlement)
	case 2:
		err = s.Settle(ctx, unresolved(*p))
	}
	if errors.Is(err, payment.ErrFenced) {
		return nil
	}
	return err
}
