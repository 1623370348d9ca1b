package core

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Settings of a [Service]. The durations must be positive.
type Settings struct {
	// Replica names this process among the replicas, and differs at each start.
	Replica string
	// NewKey mints a gateway key that nobody has used.
	NewKey func() payment.GatewayKey

	Lease time.Duration // of a claim; longer than one attempt may take
	// GatewayTimeout bounds one attempt, and MaxBackoff the longest wait between two.
	GatewayTimeout time.Duration
	MaxBackoff     time.Duration
	Wait           time.Duration // for another worker's end, and for a write that the database delays
	Late           time.Duration // how long an attempt that was not answered may still charge

	LookupFirst time.Duration // first interval of the reconciler
	LookupMax   time.Duration // to which it doubles

	Workers          int           // payments that the queue works on at once
	Poll             time.Duration // longest sleep of the queue
	HeartbeatTimeout time.Duration // after which a silent replica's claims run out
	// DeferredRetries are the delays after which an async payment whose round ended because
	// the gateway was not available gets another one.
	DeferredRetries []time.Duration
}

// Service is the payment service of one replica.
type Service struct {
	Settings

	payments ports.Payments
	gateway  ports.Gateway
	retry    ports.Retry
	log      *slog.Logger

	lines  *lines
	work   *workload
	sweep  *sweep
	wake   map[payment.Work]chan struct{} // tells the queue that something is due
	outage outage                         // of the database, as the background work sees it
	writes writable                       // whether the database takes them
	// foreign counts the payments that wait for another gateway.
	foreign atomic.Int64
	// watching counts the requests that watch another replica's worker.
	watching atomic.Int64
}

// New returns a service that serves requests. Its queue works while [Service.RunQueue] runs.
func New(
	settings Settings, payments ports.Payments, gateway ports.Gateway, retry ports.Retry, log *slog.Logger,
) *Service {
	s := &Service{
		Settings: settings, gateway: gateway, retry: retry,
		log:   log.With("replica", settings.Replica),
		lines: newLines(), work: newWorkload(), sweep: newSweep(payments),
		wake: map[payment.Work]chan struct{}{
			payment.WorkCharges: make(chan struct{}, 1), payment.WorkTakeovers: make(chan struct{}, 1),
			payment.WorkLookups: make(chan struct{}, 1),
		},
	}
	s.payments = gatedPayments{payments, &s.writes}
	return s
}

// ErrStopping: the service is stopping.
var ErrStopping = errors.New("the service is stopping")

// Ready returns nil while the service can take payments: the database answers and takes writes,
// its schema is current, and the service is not stopping.
func (s *Service) Ready(ctx context.Context) error {
	if s.work.stopping() {
		return ErrStopping
	}
	if err := s.payments.Ready(ctx); err != nil {
		return err
	}
	return s.takesWrites(ctx)
}

// Waiting counts the requests that wait for another one at work on their order, in this process
// or in another.
func (s *Service) Waiting() int { return s.lines.behind() + int(s.watching.Load()) }

// History returns all that is stored of a payment, or ports.ErrNotFound.
func (s *Service) History(ctx context.Context, id payment.OrderID) (ports.History, error) {
	return s.payments.History(ctx, id)
}

// List returns a page of payments, newest first. Rows that make none are in the log.
func (s *Service) List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error) {
	page, err := s.payments.List(ctx, q)
	for _, unreadable := range page.Unreadable {
		s.logUnreadable(ctx, unreadable)
	}
	return page, err
}

// Stop lets calls in flight finish and cuts backoffs short: their payments are handed to
// the queue of whoever runs one. Requests that still arrive are accepted for later. Stop
// returns when no payment is in this replica's hands, or with ctx's error.
func (s *Service) Stop(ctx context.Context) error {
	s.work.stop()
	if err := s.work.wait(ctx); err != nil {
		return err
	}
	return s.payments.Leave(ctx, s.Replica)
}
