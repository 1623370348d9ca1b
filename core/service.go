package core

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Settings of a [Service]. The durations must be positive.
type Settings struct {
	// Replica identifies this process among the replicas, and differs at each start.
	Replica string
	// NewKey returns a gateway key that was never used.
	NewKey func() payment.GatewayKey

	Lease time.Duration // of a claim; longer than one attempt may take
	// GatewayTimeout limits one attempt, and MaxBackoff the pause between two.
	GatewayTimeout time.Duration
	MaxBackoff     time.Duration
	Wait           time.Duration // for another worker's outcome, and for a write that the database delays
	Late           time.Duration // how long an attempt without an answer may still charge
	// PendingTimeout is how long a customer who must act has for it. Later the charge is cancelled.
	PendingTimeout time.Duration

	LookupFirst time.Duration // first interval between two lookups
	LookupMax   time.Duration // limit of the interval, which doubles

	Workers          int           // payments of one kind of work that the queue processes at once
	Poll             time.Duration // longest sleep of the queue
	HeartbeatTimeout time.Duration // after which the claims of a replica without heartbeats are released
	// DeferredRetries are the delays after which an async payment whose round failed, because the
	// gateway was unavailable, gets another round.
	DeferredRetries []time.Duration
}

// Service is the payment service of one replica.
type Service struct {
	Settings

	payments ports.Payments
	gateways Gateways
	log      *slog.Logger

	flights *flights
	work    *workload
	sweep   *sweep
	wake    map[payment.Work]chan struct{} // wakes the queue when work is due
	outage  outage                         // of the database, as the background work sees it
	writes  writable                       // whether the database accepts writes
	foreign atomic.Int64                   // payments that wait for another gateway
	calls   callLog                        // the latest calls to each gateway
	peers   peers                          // the replicas as the heartbeats show them
}

// New returns a service that serves requests. Its queue works while [Service.RunQueue] runs.
func New(
	settings Settings, payments ports.Payments, gateways Gateways, log *slog.Logger,
) *Service {
	s := &Service{
		Settings: settings, gateways: gateways,
		log:  log.With("replica", settings.Replica),
		work: newWorkload(), sweep: newSweep(payments),
		wake: map[payment.Work]chan struct{}{
			payment.WorkCharges: make(chan struct{}, 1), payment.WorkTakeovers: make(chan struct{}, 1),
			payment.WorkLookups: make(chan struct{}, 1), payment.WorkPending: make(chan struct{}, 1),
			payment.WorkHolds: make(chan struct{}, 1),
		},
	}
	s.writes.suspect = make(chan struct{}, 1)
	s.payments = &gatedPayments{payments, &s.writes}
	s.flights = &flights{
		timeout: s.Wait, stop: s.work.ctx.Done(), find: s.find, refuse: s.refuse,
		held:  func(p *payment.Payment) bool { return s.rules().Claimed(*p, p.SeenAt) },
		byRef: make(map[payment.Ref]*flight),
	}
	return s
}

// Ready returns nil if the service can take payments: the database answers and accepts writes, its
// schema is current, and the service is not stopping.
func (s *Service) Ready(ctx context.Context) error {
	if s.work.stopping() {
		return ErrStopping
	}
	if err := s.payments.Ready(ctx); err != nil {
		return err
	}
	return s.acceptsWrites(ctx)
}

// Waiting counts the requests that wait for another request or worker to process their order.
func (s *Service) Waiting() int { return s.flights.waiting() }

// Payment returns a payment without its history, or ports.ErrNotFound.
func (s *Service) Payment(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	return s.payments.Find(ctx, id)
}

// History returns everything that is stored of a payment, or ports.ErrNotFound.
func (s *Service) History(ctx context.Context, id payment.OrderID) (ports.History, error) {
	return s.payments.History(ctx, id)
}

// find returns an operation as it is stored.
func (s *Service) find(ctx context.Context, ref payment.Ref) (payment.Payment, error) {
	if ref.Operation.IsCharge() {
		return s.payments.Find(ctx, ref.OrderID)
	}
	return s.payments.FindOperation(ctx, ref)
}

// List returns a page of payments, newest first. Rows that cannot be read are logged.
func (s *Service) List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error) {
	page, err := s.payments.List(ctx, q)
	for _, unreadable := range page.Unreadable {
		s.logUnreadable(ctx, unreadable)
	}
	return page, err
}

// Stop lets calls in flight finish and interrupts backoffs: their payments are requeued for any
// replica that runs a queue. Requests that still arrive are accepted for the queue. Stop returns when
// this replica holds no payment, or with ctx's error.
func (s *Service) Stop(ctx context.Context) error {
	s.work.stop()
	if err := s.work.wait(ctx); err != nil {
		return err
	}
	return s.payments.Leave(ctx, s.Replica)
}
