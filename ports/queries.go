package ports

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
)

// History is everything that is stored of a payment.
type History struct {
	Payment payment.Payment
	// Attempts are in order. The payment's own latest attempt is the last, unless it is only the
	// number of the next one.
	Attempts []payment.Attempt
	Events   []payment.Event // in order
	// Keys are the records of the order's keys, in no order. Most payments have none.
	Keys []payment.Key
	// Operations are those of the order that are not charges, with their own histories, the oldest first.
	Operations []History
}

// HasKey reports whether an attempt or a record has the key.
func (h History) HasKey(key payment.GatewayKey) bool {
	return h.Payment.GatewayKey == key ||
		slices.ContainsFunc(h.Attempts, func(a payment.Attempt) bool { return a.GatewayKey == key }) ||
		slices.ContainsFunc(h.Keys, func(k payment.Key) bool { return k.Key == key })
}

// Archivable reports whether the history may be archived: the payment became final longer than age before it was read,
// and neither it nor an operation of it is in flight, in doubt or has a key that is still looked up.
func (h History) Archivable(age time.Duration) bool {
	return h.Payment.Archivable(age) && h.concluded() && !slices.ContainsFunc(h.Operations, func(o History) bool { return !o.concluded() })
}

// concluded reports whether the payment or other operation is final, and nothing about its keys is open.
func (h History) concluded() bool {
	return h.Payment.State.Final() && !h.Payment.Doubt.Any() &&
		!slices.ContainsFunc(h.Keys, func(k payment.Key) bool { return !k.DueAt.IsZero() })
}

// Explain explains the payment, or the operation whose history it is, at now.
func (h History) Explain(r payment.KeyRules, now payment.Instant) payment.Explanation {
	p := h.Payment
	p.Keys = h.Keys
	return p.Explain(h.Attempts, r, now)
}

// Transaction is the gateway's transaction of an order.
type Transaction struct {
	OrderID       payment.OrderID
	Gateway       payment.GatewayID // empty in rows that the previous version wrote
	TransactionID string
}

// ArchiveQuery selects histories to archive: those that are [History.Archivable], and that have events, or attempts
// before their latest.
type ArchiveQuery struct {
	Age   time.Duration
	After payment.OrderID // Next of the page before; empty for the first page
	Limit int             // of the payments that are examined, and so of the histories
}

// Page returns the orders of a page, and After of the next page or nothing. Its arguments are the first
// orders after q.After that have attempts, and those that have events, each at most q.Limit.
func (q ArchiveQuery) Page(withAttempts, withEvents []payment.OrderID) (page []payment.OrderID, next payment.OrderID) {
	page = slices.Concat(withAttempts, withEvents)
	slices.Sort(page)
	page = slices.Compact(page)
	if len(page) < q.Limit || q.Limit <= 0 {
		return page, ""
	}
	page = page[:q.Limit] // beyond it, orders may be missing that were not listed
	return page, page[q.Limit-1]
}

// ArchivePage is a page of histories. It may be empty and not the last.
type ArchivePage struct {
	Histories  []History
	Unreadable []*payment.StoredRowError // of the orders that are left out, the first of each
	Next       payment.OrderID           // empty on the last page
}

// ListQuery selects a page of payments.
type ListQuery struct {
	States []payment.State // any of these; all if empty
	Limit  int
	// AfterCreatedAt and AfterOrderID are the creation time and order id of the last payment of the
	// page before. Zero for the first page.
	AfterCreatedAt time.Time
	AfterOrderID   payment.OrderID
	// CreatedFrom (inclusive) and CreatedBefore (exclusive) bound the creation time; zero for no
	// bound.
	CreatedFrom   time.Time
	CreatedBefore time.Time
	// Examined bounds the rows that the page reads if the states have no index; [MaxExamined] if zero.
	Examined int
}

// MaxExamined is how many rows a page of a list reads at most, because only the creation time and what is due have an
// index. A row takes about 8 µs, and twice that on a loaded machine, so a page takes less than 200 ms.
const MaxExamined = 5_000

// MaxRows returns how many rows the page reads at most.
func (q ListQuery) MaxRows() int {
	if q.Examined > 0 {
		return min(q.Examined, MaxExamined)
	}
	return MaxExamined
}

// FirstRows returns how many rows to read first: enough for a page if one row in eight matches. Further rows are read
// only if the page is not full then.
func (q ListQuery) FirstRows() int {
	return min(q.MaxRows(), 8*(min(q.Limit, MaxExamined)+1))
}

// Outstanding reports whether the list has only states that are not final, so that all its rows are due at some time.
func (q ListQuery) Outstanding() bool {
	return len(q.States) > 0 && !slices.ContainsFunc(q.States, payment.State.Final)
}

// ListFilter selects payments of a list by what no index of the list serves, so that a caller reads further pages to find
// them. The zero value selects all.
type ListFilter struct {
	// Gateway is the identity of the payment's gateway; empty for any.
	Gateway payment.GatewayID
	// Q is the beginning of an order id, or a whole transaction id or gateway key; empty for any payment.
	Q string
}

// Matches reports whether the filter selects a payment.
func (f ListFilter) Matches(p payment.Payment) bool {
	return (f.Gateway == "" || p.Gateway == f.Gateway) &&
		(f.Q == "" || strings.HasPrefix(p.OrderID.String(), f.Q) || p.TransactionID == f.Q || string(p.GatewayKey) == f.Q)
}

// Listed is the place of a payment in a list.
type Listed struct {
	OrderID   payment.OrderID
	State     payment.State
	CreatedAt time.Time
}

// Page returns the orders of the page, and the place of the last one if others follow. all are the payments that are
// outstanding.
func (q ListQuery) Page(all []Listed) (page []payment.OrderID, next Listed) {
	leftOut := q.StatesLeftOut()
	matching := slices.DeleteFunc(slices.Clone(all), func(l Listed) bool {
		after := !q.AfterCreatedAt.IsZero() && newestFirst(l, Listed{OrderID: q.AfterOrderID, CreatedAt: q.AfterCreatedAt}) <= 0
		return after || slices.Contains(leftOut, l.State) || l.CreatedAt.Before(q.CreatedFrom) ||
			!q.CreatedBefore.IsZero() && !l.CreatedAt.Before(q.CreatedBefore)
	})
	slices.SortFunc(matching, newestFirst)
	if len(matching) > q.Limit {
		matching = matching[:q.Limit]
		next = matching[q.Limit-1]
	}
	for _, l := range matching {
		page = append(page, l.OrderID)
	}
	return page, next
}

func newestFirst(a, b Listed) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.OrderID, a.OrderID))
}

// StatesLeftOut returns the states that the list excludes. Rows with an unknown state are never
// excluded.
func (q ListQuery) StatesLeftOut() []payment.State {
	if len(q.States) == 0 {
		return nil
	}
	return slices.DeleteFunc(payment.States(), func(s payment.State) bool { return slices.Contains(q.States, s) })
}

// ListPage is a page of payments. Rows that are not valid are left out, and count towards the limit. With states, it may
// have fewer payments than the limit, or none, and not be the last: it has then read as many rows as it may.
type ListPage struct {
	Payments   []payment.Payment
	Unreadable []*payment.StoredRowError // of the rows that are left out
	// NextCreatedAt and NextOrderID are After… of the next page, and the place of the last row that was read; zero on
	// the last page.
	NextCreatedAt time.Time
	NextOrderID   payment.OrderID
}
