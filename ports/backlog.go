package ports

import (
	"slices"
	"time"

	"paymentd/core/payment"
)

// Unreadable is the state, in a [Backlog], of rows whose state, currency or amount is not valid.
const Unreadable payment.State = "unreadable"

// MaxBacklog bounds the number of payments that are read to count them.
const MaxBacklog = 100_000

// Backlog counts the payments of a state that is not final.
type Backlog struct {
	Kind     payment.Kind // of the operations; payments are charges
	State    payment.State
	Payments int
	Due      int // of these, the ones that are due and wait for a worker
	// LongestDue is how long the oldest of the due ones has been due; zero if none is.
	LongestDue time.Duration
	// Oldest is how long ago the oldest of the payments was created.
	Oldest time.Duration
}

// Add counts more payments of the state.
func (b *Backlog) Add(more Backlog) {
	b.Payments += more.Payments
	b.Due += more.Due
	b.LongestDue = max(b.LongestDue, more.LongestDue)
	b.Oldest = max(b.Oldest, more.Oldest)
}

// BacklogRow counts the payments that have the same state and currency, and whose amounts are all above
// zero or all not.
type BacklogRow struct {
	Backlog

	Currency  string
	HasAmount bool
}

// SumBacklog returns the backlog by state. Rows that are not valid payments have the state [Unreadable].
func SumBacklog(rows []BacklogRow) []Backlog {
	var backlog []Backlog
	for _, row := range rows {
		minor := int64(0)
		if row.HasAmount {
			minor = 1
		}
		_, err := payment.StoredMoney("", minor, row.Currency)
		if err != nil || !slices.Contains(payment.States(), row.State) || row.State.Final() {
			row.State = Unreadable
		}
		i := slices.IndexFunc(backlog, func(b Backlog) bool { return b.Kind == row.Kind && b.State == row.State })
		if i < 0 {
			backlog = append(backlog, row.Backlog)
			continue
		}
		backlog[i].Add(row.Backlog)
	}
	return backlog
}
