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

// What the service tells of payments. The contract has a word on each field.
type (
	// Status is a payment as it stands.
	Status = wire.Payment
	// History is a payment with every attempt to charge it, and its timeline.
	History = wire.PaymentHistory
	// Attempt is one call to the gateway.
	Attempt = wire.Attempt
	// Moment is a line of the timeline.
	Moment = wire.Moment
	// State says where a payment stands.
	State = wire.State
)

// The states. Of those, succeeded is final; after declined and failed, another Pay tries
// again; with the others, the service is still at it.
const (
	StateProcessing = wire.StateProcessing
	StateScheduled  = wire.StateScheduled
	StateSucceeded  = wire.StateSucceeded
	StateDeclined   = wire.StateDeclined
	StateFailed     = wire.StateFailed
	StateUnresolved = wire.StateUnresolved
)

// Get returns all that is known of an order's payment, or [ErrNotFound]. It asks again until
// ctx ends while the service is away.
func (c *Client) Get(ctx context.Context, orderID string) (History, error) {
	answer, err := c.sendUntilFinal(ctx, http.MethodGet, paymentPath(orderID), nil)
	if err != nil {
		return History{}, err
	}
	switch answer.status {
	case http.StatusOK:
		var h History
		err := answer.decode(&h)
		return h, err
	case http.StatusNotFound:
		if _, ours := answer.serviceError(); ours {
			return History{}, ErrNotFound
		}
	}
	return History{}, requestError(answer)
}

// Filter says which payments to list. Its zero value is all of them.
type Filter struct {
	// States are those to list; any when empty.
	States []State
	// CreatedFrom (inclusive) and CreatedBefore (exclusive) bound the creation time.
	CreatedFrom   time.Time
	CreatedBefore time.Time
	// PageSize is how many to fetch at once, at most 200; zero for the service's default.
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

// List returns payments, newest first, and fetches pages as they are needed. Payments that
// are made meanwhile are not in it. An error is the last that it returns: an *[UnreadableError] if all
// others were returned.
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
