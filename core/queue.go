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

// lookAhead is the interval between two searches for due times that lie too far ahead, because they
// were set by a clock that has stepped back since.
const lookAhead = 30 * time.Second

// works lists the kinds of due work.
var works = [...]payment.Work{payment.WorkCharges, payment.WorkTakeovers, payment.WorkLookups, payment.WorkPending, payment.WorkHolds}

// RunQueue processes what is due: payments that were accepted for the queue, claims whose worker is
// lost, and lookups. Each kind of work has its own workers. When ctx ends or the service stops,
// RunQueue finishes the payments that it has claimed, and returns.
func (s *Service) RunQueue(ctx context.Context) {
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { s.runHeartbeats(ctx) })
	loops.Go(func() { s.runWriteChecks(ctx) })
	loops.Go(func() { s.runSweep(ctx) })
	for _, work := range works {
		loops.Go(func() { s.runWork(ctx, work) })
	}
}

// runWork processes one kind of due work.
func (s *Service) runWork(ctx context.Context, work payment.Work) {
	var workers sync.WaitGroup
	defer workers.Wait()
	slots, jitter := make(chan struct{}, s.Workers), newJitter(s.Replica+string(work))
	looked := time.Now()
	for ctx.Err() == nil {
		free := cap(slots) - len(slots)
		if free == 0 {
			select { // wait for a worker to finish
			case slots <- struct{}{}:
				<-slots
			case <-ctx.Done():
			}
			continue
		}
		if !s.work.begin() { // before the claim, so that a stop waits for what is being claimed
			return
		}
		began := time.Now()
		policy := s.pickUpPolicy(work)
		if policy.Ahead = began.Sub(looked) >= lookAhead; policy.Ahead {
			looked = began
		}
		due, pause := s.claimDue(ctx, policy, free)
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

// claimDue claims up to limit payments that are due, and returns how long to sleep after them.
func (s *Service) claimDue(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) ([]payment.Decision, time.Duration) {
	in, some, err := s.payments.NextDue(ctx, policy)
	s.recordOutage(ctx, partOf(partQueue, policy.Work), err)
	if err == nil && (!some || in > 0) {
		s.recordOutage(ctx, partOf(partClaims, policy.Work), nil) // there is nothing to claim
	}
	switch {
	case err != nil:
		return nil, s.Poll
	case !some:
		return nil, s.poll(policy.Work)
	case in > 0:
		return nil, in
	}
	policy.Worker = time.Now()
	due, err := s.payments.ClaimDue(ctx, policy, limit)
	s.recordOutage(ctx, partOf(partClaims, policy.Work), err)
	if err != nil {
		return nil, s.Poll
	}
	if len(due) == 0 {
		return nil, s.Poll // other replicas hold the locks
	}
	return due, 0
}

func (s *Service) pickUpPolicy(work payment.Work) payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Work: work, Replica: s.Replica, Lease: s.Lease, Rules: s.rules(), Worker: time.Now(),
		Within: s.poll(work), NewKey: s.NewKey,
	}
}

// sleep sleeps for d, at most one poll interval, or until the queue is woken. The jitter keeps
// replicas that wait for the same payment from waking at once. It only lengthens the sleep, because a
// replica that wakes too early has to look again.
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

// poll returns the longest sleep of one kind of work. Only charges may become due at any moment because
// of other replicas: a claim is due after its lease at the earliest, a lookup after its first interval,
// and a replica that releases the claims of another one, or takes an event of a gateway, wakes its own queue.
func (s *Service) poll(work payment.Work) time.Duration {
	switch work {
	case payment.WorkTakeovers:
		return max(s.Poll, s.Lease/4)
	case payment.WorkLookups, payment.WorkPending:
		return max(s.Poll, min(s.LookupFirst, s.Late))
	case payment.WorkHolds:
		return max(s.Poll, payment.MinHoldLookup)
	case payment.WorkCharges:
	}
	return s.Poll
}

// newJitter returns random numbers that depend only on the replica's name: they differ between
// replicas, and a simulation with the same names repeats them.
func newJitter(replica string) *rand.Rand {
	name := fnv.New64a()
	_, _ = name.Write([]byte(replica))            // never an error: package hash
	return rand.New(rand.NewPCG(name.Sum64(), 0)) //nolint:gosec // it spreads load, and keeps no secret
}

// wakeQueue ends the queue's sleep.
func (s *Service) wakeQueue() {
	for _, work := range works { // in a fixed order, so that a simulation is repeatable
		select {
		case s.wake[work] <- struct{}{}:
		default: // it is being woken already
		}
	}
}

// resume processes a payment that the queue has claimed, as a request would. The claim was requested
// at asked.
func (s *Service) resume(ctx context.Context, d payment.Decision, asked time.Time) {
	p := &d.Payment
	defer func() {
		if r := recover(); r != nil {
			// The claim expires, and counts as a lost worker: payment.MaxLostWorkers.
			s.log.Error("a worker panicked", "order_id", p.OrderID, "gateway_key", p.GatewayKey, "fence", p.Fence,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	switch d.Verdict {
	case payment.VerdictClaimed:
		c := s.newClaim(p, asked)
		done, err := s.charge(ctx, c)
		if err == nil {
			p, err = s.settle(ctx, c, done)
		}
		if err == nil { // errors are logged already
			s.logResumed(p)
		}
	case payment.VerdictLookUp, payment.VerdictCancel:
		if d.LookUp != "" {
			s.reconcileKey(ctx, p, d.LookUp, asked)
			return
		}
		_, _ = s.reconcile(ctx, s.newClaim(p, asked), d.Verdict == payment.VerdictCancel) // it logs its errors
	case payment.VerdictQuarantined:
		s.log.Error("payment quarantined: several workers in a row were lost while processing it; it is only looked up from now on",
			"order_id", p.OrderID, "gateway_key", p.GatewayKey, "reason", p.Reason)
	case payment.VerdictReplay, payment.VerdictBusy, payment.VerdictMismatch,
		payment.VerdictAccepted, payment.VerdictWritten, payment.VerdictNotDue,
		payment.VerdictForeign, payment.VerdictKeyOpen, payment.VerdictVoided, payment.VerdictUnknownKey, payment.VerdictReturned,
		payment.VerdictEvidence, payment.VerdictDouble: // ClaimDue returns none of these
	}
}
