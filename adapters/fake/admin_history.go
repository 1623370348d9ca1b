package fake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"paymentd/core/admin"
	"paymentd/ports"
)

// AdminHistory is ports.AdminHistory in memory. Its zero value is empty.
type AdminHistory struct {
	mu   sync.Mutex
	acts []admin.Act
}

// Record implements ports.AdminHistory.
func (h *AdminHistory) Record(ctx context.Context, a admin.Act) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	h.add(time.Now().UTC().Truncate(time.Microsecond), a)
	return nil
}

func (h *AdminHistory) add(now time.Time, acts ...admin.Act) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range acts {
		if !slices.ContainsFunc(h.acts, func(stored admin.Act) bool { return stored.ID == a.ID }) {
			a.At, a.Before, a.After = now, admin.ReadFields(a.Before.Encode()), admin.ReadFields(a.After.Encode())
			h.acts = append(h.acts, a)
		}
	}
}

// List implements ports.AdminHistory.
func (h *AdminHistory) List(ctx context.Context, q ports.AdminQuery) (acts []admin.Act, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.acts {
		after := q.Before.IsZero() || a.At.Before(q.Before) || a.At.Equal(q.Before) && a.ID < q.BeforeID
		if after && (q.Subject == "" || a.Subject == q.Subject) {
			acts = append(acts, a)
		}
	}
	slices.SortFunc(acts, func(a, b admin.Act) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return acts[:min(len(acts), max(0, q.Limit))], nil
}
