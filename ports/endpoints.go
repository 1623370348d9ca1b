package ports

import (
	"context"
	"errors"
	"math"
	"time"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
)

var (
	// ErrNoSuchEndpoint: no endpoint has the id.
	ErrNoSuchEndpoint = errors.New("no endpoint has this id: `paymentd endpoints list` shows those that there are")
	// ErrTooManyEndpoints: there are endpoint.MaxEndpoints endpoints already.
	ErrTooManyEndpoints = errors.New("there are 32 endpoints, and there cannot be more: delete some that are unused")
)

// Endpoints is the repository of webhook endpoints. Its errors, its clock and its concurrent use are those of
// [Payments], with which it shares a database.
//
// Every method of [Payments] that changes the state of a payment or other operation stores, in the same
// transaction, what endpoint.Subscribers.Deliveries returns for the change. It knows the endpoints from the latest
// read of Current, by any caller, and reads them again first if that was longer than [EndpointsMaxAge] ago. If no
// endpoint receives events of the type, it makes the same statements as without this package.
type Endpoints interface {
	// Create stores a new endpoint with the time of the database's clock. ErrTooManyEndpoints; endpoints that
	// are created at the same moment may exceed that number. It is safe to repeat after an error.
	Create(ctx context.Context, e endpoint.Endpoint) error

	// Current returns the endpoints that are not deleted, by time of creation. It takes no lock.
	Current(ctx context.Context) (EndpointList, error)

	// Deleted returns the ids of at most limit deleted endpoints that may have events, the latest first.
	Deleted(ctx context.Context, limit int) ([]endpoint.ID, error)

	// Change stores what change.Apply decides about an endpoint, under the lock of its row, and returns the
	// endpoint as it is then. ErrNoSuchEndpoint, endpoint.ErrDeleted or an
	// *endpoint.OverlapError. It is safe to repeat after an error.
	Change(ctx context.Context, id endpoint.ID, change endpoint.Change) (endpoint.Endpoint, error)
}

// EndpointsMaxAge is the longest time after which a new or changed endpoint is respected by a process that the
// change was not made in.
const EndpointsMaxAge = 10 * time.Second

// EndpointList is a list of endpoints. Rows that are not valid endpoints are left out.
type EndpointList struct {
	Endpoints  []endpoint.Endpoint
	Unreadable []*endpoint.StoredRowError
}

// Outbox has the events that were stored for the endpoints. Its errors, its clock and its concurrent use are those
// of [Payments].
type Outbox interface {
	// ClaimDeliveries begins an attempt of at most limit due events of an endpoint, those that are due for the
	// longest first: it increments their attempts and fencing tokens, and makes them due again after the lease,
	// which ends an attempt that is lost. An event is not due while an earlier one of its order at the endpoint
	// waits, unless the latest completion of that one does not hold the order. No event is claimed twice for one fencing
	// token. Events that could not be claimed, because other replicas claim them, are left out.
	ClaimDeliveries(ctx context.Context, to endpoint.ID, limit int, lease time.Duration) ([]endpoint.Delivery, error)

	// Complete stores the end of an attempt. payment.ErrFenced: a later attempt has begun, or the event is gone,
	// and nothing was written. If c.HoldsOrder is set, the later events of the order that wait are postponed to
	// the same time.
	//
	// It also adds the attempt to the log, which keeps the latest endpoint.MaxLoggedAttempts of each event. That costs one
	// statement. If only that fails, it returns an error although the end is stored; it is safe to repeat.
	Complete(ctx context.Context, c endpoint.Completion) error

	// Hasten makes events of an endpoint that wait for a later attempt due now, because its receiver serves again; at
	// most [ReplayPage] of those that are due first, and others of the same orders. It is safe to repeat.
	Hasten(ctx context.Context, to endpoint.ID) error

	// Deliveries returns a page of an endpoint's events, newest first, without their payloads.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]endpoint.Delivery, error)

	// Attempts returns a page of the log of attempts of an endpoint, the latest first. A page is read by an index.
	Attempts(ctx context.Context, q AttemptQuery) ([]endpoint.Attempt, error)

	// Replay makes events due now, with any outcome, and counts their attempts anew. It returns their number
	// and, if there may be more, the sequence number to continue after; at most [ReplayPage] are replayed by one
	// call. Events whose attempt is in flight are delivered once more. It is safe to repeat.
	Replay(ctx context.Context, q ReplayQuery) (replayed int, next int64, err error)

	// Prune deletes at most limit events of an endpoint that were stored before a time, the oldest first, and
	// returns how many. The attempts of an event are deleted with it, and so are, at most limit, those that ended
	// before the time.
	Prune(ctx context.Context, to endpoint.ID, before time.Time, limit int) (int, error)

	// Waiting counts an endpoint's events that wait, at most [MaxBacklog] of those that are due first, and returns
	// the age of the one that was stored first among them.
	Waiting(ctx context.Context, to endpoint.ID) (n int, oldest time.Duration, err error)
}

// ReplayPage bounds the events that one call of Outbox.Replay replays.
const ReplayPage = 500

// DeliveryQuery selects a page of an endpoint's events.
type DeliveryQuery struct {
	Endpoint endpoint.ID
	// Outcome selects events with this outcome; nil for all.
	Outcome *endpoint.Outcome
	// Before and BeforeOrder are the sequence number and the order of the last event of the page before; zero for
	// the first page.
	Before      int64
	BeforeOrder payment.OrderID
	Limit       int
}

// AttemptQuery selects a page of the log of attempts.
type AttemptQuery struct {
	Endpoint endpoint.ID
	// Event selects the attempts of one event, which fit into one page of endpoint.MaxLoggedAttempts; the cursor is
	// ignored. Empty for those of all events.
	Event payment.ChangeID
	// After is the last attempt of the page before; zero for the first page.
	After AttemptCursor
	Limit int
}

// AttemptCursor is the place of an attempt in the order of the log.
type AttemptCursor struct {
	EndedAt  time.Time
	OrderID  payment.OrderID
	Sequence int64
}

// CursorOf returns the cursor that continues after an attempt.
func CursorOf(a endpoint.Attempt) AttemptCursor {
	return AttemptCursor{EndedAt: a.EndedAt, OrderID: a.OrderID, Sequence: a.Sequence}
}

// ReplayQuery selects the events to replay.
type ReplayQuery struct {
	Endpoint endpoint.ID
	// Event selects one event. If it is empty, those that were stored at Since or later are selected: all, or
	// those that were not delivered.
	Event       payment.ChangeID
	Since       time.Time
	Undelivered bool
	// After is the next of the call before; 0 for the first.
	After int64
}

// Sender sends events to receivers.
type Sender interface {
	// Send makes one attempt to deliver an event, signed with the endpoint's secrets at the present time, and
	// returns the receiver's answer. It returns when ctx ends at the latest. A problem is part of the answer.
	Send(ctx context.Context, to endpoint.Endpoint, d endpoint.Delivery) endpoint.Answer
}

// Bounds returns the lowest and the highest sequence number of the events that the query selects.
func (q ReplayQuery) Bounds() (from, to int64) {
	if q.Event != "" {
		sequence, _ := q.Event.Sequence()
		return sequence, sequence
	}
	return max(q.Since.UnixMicro(), q.After+1), math.MaxInt64
}

// CutReplay returns the rows of a page of a replay, in the order of their sequence numbers, and the number to continue
// after, or 0 after the last page. A full page ends before its last number, because events of other orders may have the
// same one.
func CutReplay[R any](rows []R, sequence func(R) int64) (page []R, next int64) {
	if len(rows) < ReplayPage {
		return rows, 0
	}
	last := sequence(rows[len(rows)-1])
	for n := len(rows) - 1; n > 0; n-- {
		if sequence(rows[n-1]) < last {
			return rows[:n], sequence(rows[n-1])
		}
	}
	return rows, last
}
