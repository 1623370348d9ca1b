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

// lookAhead is how often due times are looked for that lie too far ahead: a clock that has since
// stepped back has set them.
const lookAhead = 30 * time.Second

// works are the kinds of due work.
var works = [...]payment.Work{payment.WorkCharges, payment.WorkTakeovers, payment.WorkLookups}

// RunQueue carries on whatever is due: payments that were accepted for later, claims whose
// worker is gone, and lookups. Each kind of work has workers of its own. It returns when ctx ends,
// after the payments in its hands, or when the service has stopped.
func (s *Service) RunQueue(ctx context.Context) {
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { s.heartbeat(ctx) })
	loops.Go(func() { s.runSweep(ctx) })
	for _, work := range works {
		loops.Go(func() { s.runWork(ctx, work) })
	}
}

// runWork carries on what is due of one kind of work.
func (s *Service) runWork(ctx context.Context, work payment.Work) {
	var workers sync.WaitGroup
	defer workers.Wait()
	slots, jitter := make(chan struct{}, s.Workers), newJitter(s.Replica+string(work))
	looked := time.Now()
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
		terms := s.terms(work)
		if terms.Ahead = began.Sub(looked) >= lookAhead; terms.Ahead {
			looked = began
		}
		due, pause := s.claimDue(ctx, terms, free)
		for _, d := range due {
			s.work.add()
			slots <- struct{}{}
			workers.Go(func() {
				defer func() { <-slots; s.work.end() }()
				s.resume(context.WithoutCancel(ctx), d, began)
			})
		}
		s.work.end()
		s.sleep(ctx, work, pause, jitter)
	}
}

// pickUp claims what is due, and says how long nothing else will be.
func (s *Service) claimDue(
	ctx context.Context, terms payment.PickUpPolicy, limit int,
) ([]payment.Decision, time.Duration) {
	in, some, err := s.payments.NextDue(ctx, terms)
	s.logOutage(ctx, partQueue, err)
	if err == nil && (!some || in > 0) {
		s.logOutage(ctx, partClaims, nil) // there is nothing to claim
	}
	switch {
	case err != nil:
		return nil, s.Poll
	case !some:
		return nil, s.poll(terms.Work)
	case in > 0:
		return nil, in
	}
	terms.Worker = time.Now()
	due, err := s.payments.ClaimDue(ctx, terms, limit)
	s.logOutage(ctx, partClaims, err)
	if err != nil {
		return nil, s.Poll
	}
	if len(due) == 0 {
		return nil, s.Poll // others have them locked
	}
	return due, 0
}

func (s *Service) terms(work payment.Work) payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Work: work, Replica: s.Replica, Lease: s.Lease, Rules: s.rules(), Worker: time.Now(), NewKey: s.NewKey,
	}
}

// rest sleeps for d, at most a poll, or until the queue is woken. Replicas that wait for the
// same payment shall not all wake at once; one that woke too soon would have to look again.
func (s *Service) sleep(ctx context.Context, work payment.Work, d time.Duration, jitter *rand.Rand) {
	if d <= 0 {
		return
	}
	d = min(d+time.Duration(jitter.Int64N(int64(d)/10+1)), s.poll(work))
	select {
	case <-time.After(d):
	case <-s.wake[work]:
	case <-s.work.ctx.Done():
	case <-ctx.Done():
	}
}

// poll is the longest sleep of one kind of work. Only charges come from other replicas at any moment: a
// claim is due after its lease at the earliest, a lookup after its first interval, and the replica
// that releases the claims of one that is gone wakes its own queue.
func (s *Service) poll(work payment.Work) time.Duration {
	switch work {
	case payment.WorkTakeovers:
		return max(s.Poll, s.Lease/4)
	case payment.WorkLookups:
		return max(s.Poll, min(s.LookupFirst, s.Late))
	case payment.WorkCharges:
	}
	return s.Poll
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
	for _, work := range works { // in one order, so that a simulated run can be repeated
		select {
		case s.wake[work] <- struct{}{}:
		default: // it will
		}
	}
}

// carryOn finishes a payment that the queue has claimed, as a request would. The claim was asked
// for at began.
func (s *Service) resume(ctx context.Context, d payment.Decision, began time.Time) {
	p := &d.Payment
	defer func() {
		if r := recover(); r != nil {
			// The claim runs out, and counts as a strike: payment.MaxLostWorkers.
			s.log.Error("a worker panicked", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	switch d.Verdict {
	case payment.VerdictClaimed:
		c := s.newClaim(p, began)
		how, err := s.charge(ctx, c)
		if err == nil {
			p, err = s.settle(ctx, c, how)
		}
		s.logResumed(p, err)
	case payment.VerdictLookUp:
		if d.LookUp != "" {
			s.lookUpLeft(ctx, p, d.LookUp, began)
			return
		}
		_, _ = s.reconcile(ctx, s.newClaim(p, began)) // it has logged what failed
	case payment.VerdictQuarantined:
		s.log.Error("payment set aside: its workers fall silent; only lookups go on",
			"order_id", p.OrderID, "gateway_key", p.GatewayKey, "reason", p.Reason)
	case payment.VerdictReplay, payment.VerdictBusy, payment.VerdictMismatch,
		payment.VerdictAccepted, payment.VerdictWritten, payment.VerdictNotDue,
		payment.VerdictForeign, payment.VerdictEvidence, payment.VerdictDouble: // never of ClaimDue
	}
}
