package core

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"paymentd/core/payment"
)

// RunQueue carries on whatever is due: payments that were accepted for later, claims whose
// worker is gone, and the lookups of unresolved payments. It returns when ctx ends, after the
// payments in its hands, or when the service has stopped.
func (s *Service) RunQueue(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	workers.Go(func() { s.heartbeat(ctx) })

	slots, jitter := make(chan struct{}, s.Workers), newJitter(s.Replica)
	for ctx.Err() == nil {
		free := cap(slots) - len(slots)
		if free == 0 {
			select { // until a worker is done
			case slots <- struct{}{}:
				<-slots
			case <-ctx.Done():
			}
			continue
		}
		if !s.work.begin() { // from here on, for a stop hands over what is being claimed as well
			return
		}
		began := time.Now()
		due, pause := s.pickUp(ctx, free)
		for _, d := range due {
			s.work.add()
			slots <- struct{}{}
			workers.Go(func() {
				defer func() { <-slots; s.work.end() }()
				s.carryOn(context.WithoutCancel(ctx), d, began)
			})
		}
		s.work.end()
		s.rest(ctx, pause, jitter)
	}
}

// pickUp claims what is due, and says how long nothing else will be.
func (s *Service) pickUp(ctx context.Context, limit int) ([]payment.Decision, time.Duration) {
	in, some, err := s.payments.NextDue(ctx)
	s.logOutage(ctx, partQueue, err)
	if err == nil && (!some || in > 0) {
		s.logOutage(ctx, partClaims, nil) // there is nothing to claim
	}
	switch {
	case err != nil || !some:
		return nil, s.Poll
	case in > 0:
		return nil, in
	}
	due, err := s.payments.ClaimDue(ctx, s.terms(), limit)
	s.logOutage(ctx, partClaims, err)
	if err != nil {
		return nil, s.Poll
	}
	if len(due) == 0 {
		return nil, s.Poll // others have them locked
	}
	return due, 0
}

func (s *Service) terms() payment.Terms {
	return payment.Terms{
		Replica: s.Replica, Lease: s.Lease, LookupFirst: s.LookupFirst, LookupMax: s.LookupMax,
	}
}

// rest sleeps for d, at most a poll, or until the queue is woken. Replicas that wait for the
// same payment shall not all wake at once; one that woke too soon would have to look again.
func (s *Service) rest(ctx context.Context, d time.Duration, jitter *rand.Rand) {
	if d <= 0 {
		return
	}
	d = min(d+time.Duration(jitter.Int64N(int64(d)/10+1)), s.Poll)
	select {
	case <-time.After(d):
	case <-s.wake:
	case <-s.work.ctx.Done():
	case <-ctx.Done():
	}
}

// newJitter returns random numbers that depend on the replica's name alone: they differ between
// replicas, and a run that gives the same names is the same again.
func newJitter(replica string) *rand.Rand {
	name := fnv.New64a()
	_, _ = name.Write([]byte(replica))            // never an error: package hash
	return rand.New(rand.NewPCG(name.Sum64(), 0)) //nolint:gosec // it spreads load, and hides nothing
}

// wakeQueue lets the queue look at once.
func (s *Service) wakeQueue() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

// carryOn finishes a payment that the queue has claimed, as a request would. The claim was asked
// for at began.
func (s *Service) carryOn(ctx context.Context, d payment.Decision, began time.Time) {
	p := &d.Payment
	defer func() {
		if r := recover(); r != nil {
			// The claim runs out, and counts as a strike: payment.MaxStrikes.
			s.log.Error("a worker panicked", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	switch d.Verdict {
	case payment.VerdictClaimed:
		c := s.newClaim(p, began)
		st, err := s.charge(ctx, c)
		if err == nil {
			p, err = s.settle(ctx, c, st)
		}
		s.logCarriedOn(p, err)
	case payment.VerdictLookUp:
		s.reconcile(ctx, s.newClaim(p, began))
	case payment.VerdictSetAside:
		s.log.Error("payment set aside: its workers fall silent; only lookups go on",
			"order_id", p.OrderID, "gateway_key", p.GatewayKey, "reason", p.Reason)
	case payment.VerdictReplay, payment.VerdictBusy, payment.VerdictMismatch,
		payment.VerdictAccepted, payment.VerdictWritten, payment.VerdictNotDue: // never of ClaimDue
	}
}
