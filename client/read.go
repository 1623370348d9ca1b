package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"paymentd/client/internal/wire"
)

// The types of the service; openapi.yaml describes each field.
type (
	// Status is the current state of a payment.
	Status = wire.Payment
	// History is a payment with every attempt to charge it, its other operations, and its timeline.
	History = wire.PaymentHistory
	// Attempt is one call to the gateway.
	Attempt = wire.Attempt
	// Moment is an entry of the timeline.
	Moment = wire.Moment
	// State is the state of a payment.
	State = wire.State
	// OperationStatus is the current state of a capture, a void or a refund.
	OperationStatus = wire.Operation
	// OperationKind is what an operation other than a charge does with the money.
	OperationKind = wire.OperationKind
	// CaptureMode is whether a payment takes the money at once, or only holds it.
	CaptureMode = wire.CaptureMode
)

// The kinds of operations.
const (
	OperationCapture = wire.OperationKindCapture
	OperationVoid    = wire.OperationKindVoid
	OperationRefund  = wire.OperationKindRefund
)

// The capture modes.
const (
	CaptureAutomatic = wire.CaptureAutomatic
	CaptureManual    = wire.CaptureManual
)

// The states. succeeded and voided are final; after declined and failed, another Pay tries again; authorized waits for
// [Client.Capture] or [Client.Void]; in the other states the service is still processing the payment.
const (
	StateProcessing = wire.StateProcessing
	StateScheduled  = wire.StateScheduled
	StatePending    = wire.StatePending
	StateAuthorized = wire.StateAuthorized
	StateSucceeded  = wire.StateSucceeded
	StateDeclined   = wire.StateDeclined
	StateFailed     = wire.StateFailed
	StateUnresolved = wire.StateUnresolved
	StateVoided     = wire.StateVoided
)

// Get returns an order's payment with its attempts, operations and timeline, or [ErrNotFound]. It retries until
// ctx is cancelled if the service is unavailable.
func (c *Client) Get(ctx context.Context, orderID string) (History, error) {
	var h History
	err := c.read(ctx, paymentPath(orderID), &h)
	return h, err
}

// Filter selects the payments to list. Its zero value selects all.
type Filter struct {
	// States are the states to list; all if empty.
	States []State
	// CreatedFrom (inclusive) and CreatedBefore (exclusive) bound the creation time.
	CreatedFrom   time.Time
	CreatedBefore time.Time
	// PageSize is the number of payments per request, at most 200; zero for the service's default.
	PageSize int
}

func (f Filter) query() url.Values {
	query := make(url.Values)
	for _, state := range f.States {
		query.Add("state", string(state))
	}
	if !f.CreatedFrom.IsZero() {
		query.Set("created_from", f.CreatedFrom.UTC().Format(time.RFC3339Nano))
	}
	if !f.CreatedBefore.IsZero() {
		query.Set("created_before", f.CreatedBefore.UTC().Format(time.RFC3339Nano))
	}
	if f.PageSize != 0 {
		query.Set("limit", strconv.Itoa(f.PageSize))
	}
	return query
}

// List returns payments, newest first, and fetches pages as they are needed, also after pages without payments. It does not include
// payments that are created meanwhile. It returns at most one error, as the last element: an
// *[UnreadableError] if all other payments were returned.
func (c *Client) List(ctx context.Context, f Filter) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		query := f.query()
		var unreadable []string
		for {
			page, err := c.page(ctx, query)
			if err != nil {
				yield(Status{}, err)
				return
			}
			for _, p := range page.Payments {
				if !yield(p, nil) {
					return
				}
			}
			unreadable = append(unreadable, page.UnreadableOrderIds...)
			if page.NextCursor == "" {
				break
			}
			query.Set("cursor", page.NextCursor)
		}
		if len(unreadable) > 0 {
			yield(Status{}, &UnreadableError{OrderIDs: unreadable})
		}
	}
}

func (c *Client) page(ctx context.Context, query url.Values) (page wire.PaymentList, err error) {
	answer, err := c.sendUntilFinal(ctx, http.MethodGet, "/payments?"+query.Encode(), nil)
	if err != nil {
		return page, err
	}
	if answer.status != http.StatusOK {
		return page, requestError(answer)
	}
	err = answer.decode(&page)
	return page, err
}
