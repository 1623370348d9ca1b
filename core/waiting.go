package core

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// WaitingFilter selects a page of the payments that are not final.
type WaitingFilter struct {
	// States are those to list; all that are not final if empty.
	States []payment.State
	// Quarantined: only payments over which too many workers were lost.
	Quarantined bool
	// Gateway is that of the key; empty for all.
	Gateway payment.GatewayID
	// OlderThan is how long ago a payment was created at least; zero for any time.
	OlderThan time.Duration
	After     ports.WaitingCursor // of the last payment that was examined for the page before
	Limit     int
}

// WaitingPage is a page of payments that wait, by their due times. It may be empty and not the last.
type WaitingPage struct {
	Payments []payment.Payment
	// Unreadable are rows that are left out.
	Unreadable []*payment.StoredRowError
	// Next is After of the next page; zero on the last page.
	Next ports.WaitingCursor
}

// maxExamined bounds the payments of each state that are read for one page.
const maxExamined = 1000

// Waiting returns a page of the payments that wait. Filters other than the state have no index, so that a page reads a
// bounded number of payments, and says where the next one begins.
func (o *Operator) Waiting(ctx context.Context, f WaitingFilter) (page WaitingPage, err error) {
	all, last, err := o.readWaiting(ctx, f, &page)
	if err != nil {
		return WaitingPage{}, err
	}
	for _, p := range all {
		if !last.DueAt.IsZero() && compareCursors(cursorOf(p), last) > 0 {
			break // another state may have some before it
		}
		if !f.match(p) {
			continue
		}
		if len(page.Payments) == f.Limit {
			page.Next = cursorOf(page.Payments[f.Limit-1])
			return page, nil
		}
		page.Payments = append(page.Payments, p)
	}
	page.Next = last
	return page, nil
}

// readWaiting reads the next payments of each state, in their order, and the first place at which a state has more. It
// adds what is unreadable to the page.
func (o *Operator) readWaiting(ctx context.Context, f WaitingFilter, page *WaitingPage) (all []payment.Payment, last ports.WaitingCursor, err error) {
	read := min(f.Limit, maxExamined)
	if f.Quarantined || f.Gateway != "" || f.OlderThan > 0 {
		read = maxExamined
	}
	for _, state := range f.states() {
		listed, err := o.store.ListWaiting(ctx, ports.WaitingQuery{State: state, After: f.After, Limit: read})
		if err != nil {
			return nil, last, err
		}
		all = append(all, listed.Payments...)
		page.Unreadable = append(page.Unreadable, listed.Unreadable...)
		if next := listed.Next; !next.DueAt.IsZero() && (last.DueAt.IsZero() || compareCursors(next, last) < 0) {
			last = next
		}
	}
	slices.SortFunc(all, func(a, b payment.Payment) int { return compareCursors(cursorOf(a), cursorOf(b)) })
	return all, last, nil
}

func (f WaitingFilter) states() []payment.State {
	switch {
	case f.Quarantined:
		return []payment.State{payment.StateUnresolved}
	case len(f.States) > 0:
		return f.States
	}
	return slices.DeleteFunc(payment.States(), payment.State.Final)
}

func (f WaitingFilter) match(p payment.Payment) bool {
	switch {
	case f.Quarantined && !IsQuarantined(p):
		return false
	case f.Gateway != "" && p.Gateway != f.Gateway:
		return false
	}
	return p.SeenAt.Sub(p.CreatedAt) >= f.OlderThan
}

// IsQuarantined reports whether a payment is only looked up because too many workers were lost over it.
func IsQuarantined(p payment.Payment) bool {
	return p.State == payment.StateUnresolved && strings.HasPrefix(p.Reason, payment.ReasonQuarantined)
}

func cursorOf(p payment.Payment) ports.WaitingCursor {
	return ports.WaitingCursor{DueAt: p.DueAt, CreatedAt: p.CreatedAt, OrderID: p.OrderID}
}

func compareCursors(a, b ports.WaitingCursor) int {
	return cmp.Or(a.DueAt.Compare(b.DueAt), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.OrderID, b.OrderID))
}
