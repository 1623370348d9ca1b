package ports

import (
	"context"
	"time"

	"paymentd/core/admin"
)

// AdminHistory is the repository of what people do with API keys and webhook endpoints. Its errors, its clock and its
// concurrent use are those of [Payments], with which it shares a database.
//
// [Keys] and [Endpoints] store an act in the same transaction as the change, and only if something changes: for
// Keys.Create, Keys.Rotate, Keys.Revoke, Endpoints.Create and Endpoints.Change, unless the change is endpoint.Change.Attempted.
type AdminHistory interface {
	// Record stores an act that changes neither a key nor an endpoint. It is safe to repeat after an error, with the same
	// act.
	Record(ctx context.Context, a admin.Act) error

	// List returns at most q.Limit acts, newest first, and those of the same time by id.
	List(ctx context.Context, q AdminQuery) ([]admin.Act, error)
}

// AdminQuery selects a page of acts.
type AdminQuery struct {
	// Subject is the id of a key or of an endpoint; empty for all.
	Subject string
	// Before and BeforeID are the time and the id of the last act of the page before; zero for the first page.
	Before   time.Time
	BeforeID string
	Limit    int
}
