package portstest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Events is a repository with its endpoints and its outbox.
type Events struct {
	ports.Payments

	Endpoints ports.Endpoints
	Outbox    ports.Outbox
}

// Outbox checks that a repository keeps the contracts of ports.Endpoints and ports.Outbox, and that its
// ports.Payments stores the events of each change. open returns a new, empty repository, and registers its removal
// with t.Cleanup.
func Outbox(t *testing.T, open func(t testing.TB) Events) {
	t.Helper()
	for _, c := range append(endpointClauses(), outboxClauses()...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			c.check(&events{repository: &repository{Payments: e.Payments, t: t}, endpoints: e.Endpoints, outbox: e.Outbox})
		})
	}
}

// eventClause is one statement of the contract and its check.
type eventClause struct {
	name  string
	check func(e *events)
}

// events is the repository under test.
type events struct {
	*repository

	endpoints ports.Endpoints
	outbox    ports.Outbox
}

func outboxClauses() []eventClause {
	return []eventClause{
		{"event/each change of a payment's state is one", announcesChanges},
		{"event/a change of an operation is one", announcesOperations},
		{"event/only subscribed types are stored", announcesSubscribed},
		{"event/the queue's changes are some", announcesPickUps},
		{"event/an import and a resolution are some", announcesOperator},
		{"event/a repeated write has none", announcesOnce},
		{"event/concurrent claims of one order have one", announcesConcurrentClaims},
		{"delivery/an attempt is claimed once, and due again after its lease", claimsDelivery},
		{"delivery/a delivered event is not due", deliversOnce},
		{"delivery/a failed attempt is repeated, and holds the later events of its order", holdsOrder},
		{"delivery/an event that failed often holds nothing", holdsNoOrderForEver},
		{"delivery/an event that is not served holds its order until it is hastened", hastensDeliveries},
		{"delivery/a new event of an order waits for one that is repeated", holdsNewEvent},
		{"delivery/the end of an attempt that was lost is fenced", fencesDelivery},
		{"delivery/concurrent workers claim each event once", claimsDeliveriesOnce},
		{"delivery/the list is paged, newest first", listsDeliveries},
		{"delivery/each attempt is logged once, and the log is paged", logsAttempts},
		{"delivery/the log of an event is bounded, and deleted with it", boundsAttempts},
		{"delivery/one event, or all since a time, are replayed", replaysEvents},
		{"delivery/old events are deleted", prunesEvents},
		{"delivery/what waits is counted", countsWaiting},
	}
}

// subscribe creates an endpoint that receives the events.
func (e *events) subscribe(patterns string) endpoint.Endpoint {
	e.t.Helper()
	parsed, err := endpoint.ParsePatterns(patterns)
	require.NoError(e.t, err)
	created := endpoint.New("https://shop.example/hooks", parsed)
	require.NoError(e.t, e.endpoints.Create(e.t.Context(), created))
	return created
}

// stored returns the events of an endpoint, the oldest first.
func (e *events) stored(of endpoint.Endpoint) []endpoint.Delivery {
	e.t.Helper()
	page, err := e.outbox.Deliveries(e.t.Context(), ports.DeliveryQuery{Endpoint: of.ID, Limit: 1000})
	require.NoError(e.t, err)
	for i, j := 0, len(page)-1; i < j; i, j = i+1, j-1 {
		page[i], page[j] = page[j], page[i]
	}
	return page
}

// types returns the types of an endpoint's events, the oldest first.
func (e *events) types(of endpoint.Endpoint) string {
	e.t.Helper()
	var types []string
	for _, d := range e.stored(of) {
		types = append(types, string(d.Type))
	}
	return strings.Join(types, " ")
}

// due claims the events of an endpoint that are due.
func (e *events) due(of endpoint.Endpoint, lease time.Duration) []endpoint.Delivery {
	e.t.Helper()
	claimed, err := e.outbox.ClaimDeliveries(e.t.Context(), of.ID, 100, lease)
	require.NoError(e.t, err)
	return claimed
}

func (e *events) complete(d endpoint.Delivery, a endpoint.Answer) {
	e.t.Helper()
	require.NoError(e.t, e.outbox.Complete(e.t.Context(), d.Complete(a)))
}

// approve settles a claim with an approval.
func (e *events) approve(p payment.Payment) {
	e.t.Helper()
	e.settle(p, payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"},
		payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"})
}

// scheduled is an order with one event, payment.scheduled, for endpoints that receive all.
func (e *events) scheduled(id payment.OrderID) {
	e.t.Helper()
	e.claim(e.deferredRequest(id), payment.VerdictAccepted)
}

var accepted, refused = endpoint.Answer{Status: 204}, endpoint.Answer{Status: 400, Body: "no"}

func announcesChanges(e *events) {
	all := e.subscribe("*")
	p := e.claim(e.claimRequest("order-1"), payment.VerdictClaimed)
	require.Equal(e.t, "payment.processing", e.types(all))
	e.approve(p)
	require.Equal(e.t, "payment.processing payment.succeeded", e.types(all))
	stored := e.stored(all)
	require.Less(e.t, stored[0].Sequence, stored[1].Sequence)
	claimed := e.due(all, liveLease)
	require.Len(e.t, claimed, 1, "in order")
	require.Equal(e.t, stored[0].Event, claimed[0].Event)
	require.Contains(e.t, string(claimed[0].Payload), `"order_id":"order-1"`)
	require.Contains(e.t, string(claimed[0].Payload), `"id":"`+string(claimed[0].Event)+`"`)
	for _, d := range stored {
		require.Equal(e.t, payment.NewChangeID("order-1", d.Sequence), d.Event)
		require.False(e.t, d.CreatedAt.IsZero())
		require.Equal(e.t, endpoint.OutcomeWaiting, d.Outcome)
	}
}

func announcesOperations(e *events) {
	e.charged("order-1")
	all := e.subscribe("*")
	r := e.claim(e.refundRequest("order-1", "r-1", "25"), payment.VerdictClaimed)
	e.approve(r)
	require.Equal(e.t, "refund.processing refund.succeeded", e.types(all))
	claimed := e.due(all, liveLease)
	require.Contains(e.t, string(claimed[0].Payload), `"operation_id":"r-1"`)

	// Of the outcome only, and nothing of payments.
	outcome := e.subscribe("refund.succeeded")
	e.approve(e.claim(e.refundRequest("order-1", "r-2", "25"), payment.VerdictClaimed))
	require.Equal(e.t, "refund.succeeded", e.types(outcome))
}

func announcesSubscribed(e *events) {
	succeeded, declined, off := e.subscribe("payment.succeeded"), e.subscribe("payment.declined"), e.subscribe("*")
	_, err := e.endpoints.Change(e.t.Context(), off.ID, endpoint.Change{State: endpoint.StateDisabled})
	require.NoError(e.t, err)
	e.charged("order-1")
	e.inState(payment.StateDeclined, "order-2")
	require.Equal(e.t, "payment.succeeded", e.types(succeeded))
	require.Equal(e.t, "payment.declined", e.types(declined))
	require.Empty(e.t, e.types(off))
	_, err = e.endpoints.Change(e.t.Context(), off.ID, endpoint.Change{State: endpoint.StateActive})
	require.NoError(e.t, err)
	e.charged("order-3")
	require.Equal(e.t, "payment.processing payment.succeeded", e.types(off))
}

func announcesPickUps(e *events) {
	all := e.subscribe("*")
	e.scheduled("order-1")
	require.Len(e.t, e.pickUp(e.pickUpPolicy(payment.WorkCharges), 10), 1)
	require.Equal(e.t, "payment.scheduled payment.processing", e.types(all))
	e.charged("order-2")
	e.claim(e.deferredRefund("order-2", "r-1", "5"), payment.VerdictAccepted)
	require.Len(e.t, e.pickUp(e.pickUpPolicy(payment.WorkCharges), 10), 1)
	require.True(e.t, strings.HasSuffix(e.types(all), "refund.scheduled refund.processing"), e.types(all))
}

func announcesOperator(e *events) {
	e.inState(payment.StateUnresolved, "order-1")
	all := e.subscribe("*")
	require.NoError(e.t, e.Resolve(e.t.Context(), payment.Resolution{
		OrderID: "order-1", Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}, By: "anna", Rules: rules(), Worker: plainTime(time.Now()),
	}))
	require.Equal(e.t, "payment.succeeded", e.types(all))
	_, err := e.Import(e.t.Context(), payment.Import{
		Charge: payment.Charge{OrderID: "order-2", Key: "key-of-order-2", Money: money(e.t, "100.00", "USD")}, Gateway: "https://gateway.example",
		TransactionID: "txn-10", By: "anna", Rules: rules(), Worker: plainTime(time.Now()),
	})
	require.NoError(e.t, err)
	require.Equal(e.t, strings.Repeat(" payment.succeeded", 2)[1:], e.types(all))
}

func announcesOnce(e *events) {
	all := e.subscribe("*")
	p := e.claim(e.claimRequest("order-1"), payment.VerdictClaimed)
	for range 3 {
		e.approve(p)
	}
	e.claim(e.claimRequest("order-1"), payment.VerdictReplay)
	require.Equal(e.t, "payment.processing payment.succeeded", e.types(all))
}

func announcesConcurrentClaims(e *events) {
	all := e.subscribe("*")
	var claims sync.WaitGroup
	for range 8 {
		request := e.claimRequest("order-1")
		claims.Go(func() {
			if _, _, err := e.Claim(e.t.Context(), request); err != nil {
				e.t.Error(err)
			}
		})
	}
	claims.Wait()
	require.Equal(e.t, "payment.processing", e.types(all))
}

func claimsDelivery(e *events) {
	all := e.subscribe("*")
	e.scheduled("order-1")
	first := e.due(all, expiredLease)
	require.Len(e.t, first, 1)
	require.Equal(e.t, 1, first[0].Attempts)
	second := e.due(all, liveLease)
	require.Len(e.t, second, 1)
	require.Equal(e.t, 2, second[0].Attempts)
	require.Greater(e.t, second[0].Fence, first[0].Fence)
	require.Equal(e.t, first[0].Payload, second[0].Payload)
	require.Empty(e.t, e.due(all, liveLease))
}

func deliversOnce(e *events) {
	all := e.subscribe("*")
	e.scheduled("order-1")
	d := e.due(all, expiredLease)[0]
	for range 2 {
		e.complete(d, endpoint.Answer{Status: 200, Body: "thank\x00 you \xff"})
	}
	require.Empty(e.t, e.due(all, liveLease))
	stored := e.stored(all)[0]
	require.Equal(e.t, endpoint.OutcomeDelivered, stored.Outcome)
	require.True(e.t, stored.DueAt.IsZero())
	require.False(e.t, stored.AttemptedAt.IsZero())
	require.Equal(e.t, endpoint.Answer{Status: 200, Body: "thank  you ?"}, stored.Answer)
}

func holdsOrder(e *events) {
	all := e.subscribe("*")
	e.charged("order-1")
	e.scheduled("order-2")
	claimed := e.due(all, liveLease)
	require.Len(e.t, claimed, 2, "one of each order")
	for _, d := range claimed {
		if d.OrderID == "order-1" {
			e.complete(d, refused)
		} else {
			e.complete(d, accepted)
		}
	}
	require.Empty(e.t, e.due(all, liveLease), "the second event of order-1 waits for the first")
	stored := e.stored(all)
	require.Equal(e.t, refused, stored[0].Answer)
	require.WithinDuration(e.t, stored[0].DueAt, stored[1].DueAt, 2*time.Second) // the next attempt is in 5 s
	require.True(e.t, stored[0].DueAt.After(stored[0].AttemptedAt))
}

func holdsNoOrderForEver(e *events) {
	all := e.subscribe("*")
	e.charged("order-1")
	var d endpoint.Delivery
	for range endpoint.OrderedAttempts {
		claimed := e.due(all, expiredLease)
		require.Len(e.t, claimed, 1)
		d = claimed[0]
	}
	e.complete(d, refused)
	claimed := e.due(all, liveLease)
	require.Len(e.t, claimed, 1)
	require.Greater(e.t, claimed[0].Sequence, d.Sequence)
}

func hastensDeliveries(e *events) {
	all := e.subscribe("*")
	e.charged("order-1")
	for range endpoint.OrderedAttempts {
		e.due(all, expiredLease)
	}
	e.complete(e.due(all, liveLease)[0], endpoint.Answer{Problem: "connection refused"})
	require.Empty(e.t, e.due(all, liveLease))
	for range 2 {
		require.NoError(e.t, e.outbox.Hasten(e.t.Context(), all.ID))
	}
	first := e.due(all, liveLease)
	require.Len(e.t, first, 1)
	require.Equal(e.t, payment.ChangeType("payment.processing"), first[0].Type)
	require.NoError(e.t, e.outbox.Hasten(e.t.Context(), all.ID), "an attempt in flight is left alone")
	require.Empty(e.t, e.due(all, liveLease))
	e.complete(first[0], accepted)
	require.Len(e.t, e.due(all, liveLease), 1)
}

func holdsNewEvent(e *events) {
	all := e.subscribe("*")
	p := e.claim(e.claimRequest("order-1"), payment.VerdictClaimed)
	e.complete(e.due(all, liveLease)[0], refused)
	e.approve(p)
	stored := e.stored(all)
	require.WithinDuration(e.t, stored[0].DueAt, stored[1].DueAt, 2*time.Second) // the next attempt is in 5 s
	require.Empty(e.t, e.due(all, liveLease))
}

func fencesDelivery(e *events) {
	all := e.subscribe("*")
	e.scheduled("order-1")
	lost := e.due(all, expiredLease)[0]
	now := e.due(all, expiredLease)[0]
	require.ErrorIs(e.t, e.outbox.Complete(e.t.Context(), lost.Complete(accepted)), payment.ErrFenced)
	require.Equal(e.t, endpoint.OutcomeWaiting, e.stored(all)[0].Outcome)
	e.complete(now, accepted)
}

func claimsDeliveriesOnce(e *events) {
	all := e.subscribe("*")
	const orders = 20
	for i := range orders {
		e.scheduled(payment.OrderID("order-" + string(rune('a'+i))))
	}
	var (
		mu      sync.Mutex
		claimed = make(map[endpoint.Ref]int)
		workers sync.WaitGroup
	)
	for range 4 {
		workers.Go(func() {
			for range 10 {
				found, err := e.outbox.ClaimDeliveries(e.t.Context(), all.ID, 5, liveLease)
				if err != nil {
					e.t.Error(err)
				}
				mu.Lock()
				for _, d := range found {
					claimed[d.Ref]++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	require.Len(e.t, claimed, orders)
	for ref, n := range claimed {
		require.Equal(e.t, 1, n, ref)
	}
}
