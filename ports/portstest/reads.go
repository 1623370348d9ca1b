package portstest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

func reads() []clause {
	return []clause{
		{"find/an unknown order is not found", func(r *repository) {
			r.inState(payment.StateSucceeded, "order-1")
			_, err := r.Find(r.t.Context(), "order-2")
			require.ErrorIs(r.t, err, ports.ErrNotFound)
			_, err = r.History(r.t.Context(), "order-2")
			require.ErrorIs(r.t, err, ports.ErrNotFound)
		}},
		{"find/a payment has the time of the read", func(r *repository) {
			p := r.inState(payment.StateSucceeded, "order-1")
			require.False(r.t, p.SeenAt.Before(p.UpdatedAt))
			h, err := r.History(r.t.Context(), "order-1")
			require.NoError(r.t, err)
			require.False(r.t, h.Payment.SeenAt.Before(p.SeenAt))
			page := r.list(ports.ListQuery{Limit: 1})
			require.False(r.t, page[0].SeenAt.Before(h.Payment.SeenAt))
		}},
		{"order ids are compared byte by byte", comparesBytes},
		{"amounts are exact", keepsAmounts},
		{"list/newest first, in pages", listsInPages},
		{"list/by state", func(r *repository) {
			for _, state := range payment.States() {
				r.inState(state, payment.OrderID("order-"+state))
			}
			for _, state := range payment.States() {
				page := r.list(ports.ListQuery{States: []payment.State{state}, Limit: 10})
				require.Equal(r.t, []payment.OrderID{payment.OrderID("order-" + state)}, ids(page))
				requireSame(r.t, r.find(page[0].OrderID), page[0])
			}
			page := r.list(ports.ListQuery{
				States: []payment.State{payment.StateUnresolved, payment.StateScheduled}, Limit: 10,
			})
			require.ElementsMatch(r.t, []payment.OrderID{"order-unresolved", "order-scheduled"}, ids(page))
			require.Len(r.t, r.list(ports.ListQuery{Limit: 10}), len(payment.States()))
		}},
		{"list/by creation time", func(r *repository) {
			first := r.inState(payment.StateSucceeded, "order-1")
			r.laterThan(first.CreatedAt)
			second := r.inState(payment.StateSucceeded, "order-2")
			r.laterThan(second.CreatedAt)
			third := r.inState(payment.StateSucceeded, "order-3")
			require.Equal(r.t, []payment.OrderID{"order-2", "order-1"},
				ids(r.list(ports.ListQuery{Limit: 10, CreatedBefore: third.CreatedAt})))
			require.Equal(r.t, []payment.OrderID{"order-3", "order-2"},
				ids(r.list(ports.ListQuery{Limit: 10, CreatedFrom: second.CreatedAt})))
			require.Equal(r.t, []payment.OrderID{"order-2"}, ids(r.list(ports.ListQuery{
				Limit: 10, CreatedFrom: second.CreatedAt, CreatedBefore: third.CreatedAt,
			})))
		}},
		{"list/states without an index read a bounded number of rows", listsExamined},
		{"list/outstanding states need no further page", listsOutstanding},
		{"list/an empty repository", func(r *repository) {
			require.Empty(r.t, r.list(ports.ListQuery{Limit: 10}))
		}},
	}
}

func (r *repository) list(q ports.ListQuery) []payment.Payment {
	r.t.Helper()
	page, err := r.List(r.t.Context(), q)
	require.NoError(r.t, err)
	require.Empty(r.t, page.Unreadable)
	return page.Payments
}

// laterThan waits until the database's clock is past at.
func (r *repository) laterThan(at time.Time) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		return r.list(ports.ListQuery{Limit: 1})[0].SeenAt.After(at)
	}, waitLimit, time.Millisecond)
}

func ids(page []payment.Payment) []payment.OrderID {
	found := make([]payment.OrderID, 0, len(page))
	for _, p := range page {
		found = append(found, p.OrderID)
	}
	return found
}

// comparesBytes stores orders whose ids a collation, a pattern or truncation would confuse.
func comparesBytes(r *repository) {
	var printable strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		printable.WriteByte(c)
	}
	long := strings.Repeat("x", payment.MaxOrderIDBytes-1)
	orders := []payment.OrderID{
		"Order-1", "order-1", "ORDER-1", "order-10", "order_1", "order%1", "0", "00", "-0", "1e0", "null",
		payment.OrderID(printable.String()),
		payment.OrderID(strings.ToLower(printable.String())),
		payment.OrderID(long + "a"), payment.OrderID(long + "A"), payment.OrderID(long),
	}
	for i, id := range orders {
		_, err := payment.ParseOrderID(string(id))
		require.NoError(r.t, err)
		p := r.claim(r.claimRequest(id), payment.VerdictClaimed)
		txn := fmt.Sprintf("txn-%d", i)
		r.settle(p, payment.Result{Class: payment.ClassApproved, TransactionID: txn},
			payment.Outcome{State: payment.StateSucceeded, TransactionID: txn})
	}
	for i, id := range orders {
		p := r.claim(r.claimRequest(id), payment.VerdictReplay)
		require.Equal(r.t, id, p.OrderID)
		require.Equal(r.t, fmt.Sprintf("txn-%d", i), p.TransactionID)
	}
	require.ElementsMatch(r.t, orders, ids(r.list(ports.ListQuery{Limit: 100})))
}

func keepsAmounts(r *repository) {
	for i, m := range []payment.Money{
		money(r.t, "0.01", "USD"), money(r.t, "100.00", "USD"), money(r.t, "9007199254740.93", "USD"),
		money(r.t, "999999999999999", "USD"), money(r.t, "1", "JPY"), money(r.t, "999999999999999", "JPY"),
		money(r.t, "0.001", "KWD"), money(r.t, "922337203685477", "CLF"),
	} {
		a := r.claimRequest(payment.OrderID(fmt.Sprintf("order-%d", i)))
		a.Money = m
		p := r.claim(a, payment.VerdictClaimed)
		require.Equal(r.t, m, p.Money)
		require.Equal(r.t, m, r.find(a.OrderID).Money)
		r.claim(a, payment.VerdictBusy) // only the same amount is busy
		less, err := payment.MoneyFromMinor(max(1, m.Minor()-1), m.Currency())
		require.NoError(r.t, err)
		if a.Money = less; less != m {
			r.claim(a, payment.VerdictMismatch)
		}
	}
}

// listsInPages reads all payments in pages of every size, and requires each payment once, in the same order.
func listsInPages(r *repository) {
	const n = 7
	for i := range n {
		state := payment.States()[i%len(payment.States())]
		r.inState(state, payment.OrderID(fmt.Sprintf("order-%d", i)))
	}
	whole := r.list(ports.ListQuery{Limit: 100})
	require.Len(r.t, whole, n)
	require.True(r.t, slices.IsSortedFunc(whole, func(a, b payment.Payment) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.OrderID, a.OrderID))
	}))
	for _, p := range whole {
		requireSame(r.t, r.find(p.OrderID), p)
	}
	for size := 1; size <= n; size++ {
		var walked []payment.Payment
		for q := (ports.ListQuery{Limit: size}); ; {
			page, err := r.List(r.t.Context(), q)
			require.NoError(r.t, err)
			require.LessOrEqual(r.t, len(page.Payments), size)
			walked = append(walked, page.Payments...)
			if page.NextOrderID == "" {
				break
			}
			require.Len(r.t, page.Payments, size)
			require.Less(r.t, len(walked), n, "the next page is not empty")
			q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
		}
		require.Equal(r.t, ids(whole), ids(walked), "in pages of %d", size)
	}
}

// walk reads all pages of a list, and returns how many there are.
func (r *repository) walk(q ports.ListQuery) (walked []payment.OrderID, pages int) {
	r.t.Helper()
	for pages = 1; ; pages++ {
		page, err := r.List(r.t.Context(), q)
		require.NoError(r.t, err)
		require.LessOrEqual(r.t, len(page.Payments), q.Limit)
		walked = append(walked, ids(page.Payments)...)
		if page.NextOrderID == "" {
			return walked, pages
		}
		require.Less(r.t, pages, 100, "the list does not end")
		q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
	}
}

// listsExamined lists the three oldest of twelve payments, which are in another state than the others.
func listsExamined(r *repository) {
	for i := range 12 {
		state := payment.StateSucceeded
		if i < 3 {
			state = payment.StateDeclined
		}
		r.inState(state, payment.OrderID(fmt.Sprintf("order-%02d", i)))
	}
	want := []payment.OrderID{"order-02", "order-01", "order-00"}
	for examined := 1; examined <= 13; examined++ {
		for limit := 1; limit <= 4; limit++ {
			q := ports.ListQuery{States: []payment.State{payment.StateDeclined}, Limit: limit, Examined: examined}
			walked, pages := r.walk(q)
			require.Equal(r.t, want, walked, "%d rows are read for a page of %d", examined, limit)
			require.GreaterOrEqual(r.t, pages*examined, 12, "a page has read more than %d rows", examined)
		}
	}
	page, err := r.List(r.t.Context(), ports.ListQuery{States: []payment.State{payment.StateDeclined}, Limit: 1, Examined: 4})
	require.NoError(r.t, err)
	require.Empty(r.t, page.Payments)
	require.Equal(r.t, payment.OrderID("order-08"), page.NextOrderID, "it goes on after the last row that was read")
	require.Equal(r.t, r.find("order-08").CreatedAt, page.NextCreatedAt)
	walked, pages := r.walk(ports.ListQuery{States: []payment.State{payment.StateSucceeded}, Limit: 9, Examined: 12})
	require.Len(r.t, walked, 9)
	require.LessOrEqual(r.t, pages, 2)
	walked, pages = r.walk(ports.ListQuery{Limit: 6, Examined: 1})
	require.Len(r.t, walked, 12)
	require.Equal(r.t, 2, pages, "a list of all states reads what it returns")
}

// listsOutstanding lists two old payments that are unresolved, beneath final ones.
func listsOutstanding(r *repository) {
	for i := range 8 {
		state := payment.StateSucceeded
		if i < 2 {
			state = payment.StateUnresolved
		}
		r.inState(state, payment.OrderID(fmt.Sprintf("order-%d", i)))
	}
	want := []payment.OrderID{"order-1", "order-0"}
	unresolved := []payment.State{payment.StateUnresolved}
	for _, limit := range []int{2, 10} {
		walked, pages := r.walk(ports.ListQuery{States: unresolved, Limit: limit, Examined: 2})
		require.Equal(r.t, want, walked)
		require.Equal(r.t, 1, pages, "the final payments are not read")
	}
	walked, pages := r.walk(ports.ListQuery{States: unresolved, Limit: 1, Examined: 2})
	require.Equal(r.t, want, walked)
	require.Equal(r.t, 2, pages)
	walked, pages = r.walk(ports.ListQuery{States: []payment.State{payment.StateScheduled}, Limit: 1, Examined: 2})
	require.Empty(r.t, walked)
	require.Equal(r.t, 1, pages)
	oldest := r.find("order-0").CreatedAt
	require.Equal(r.t, []payment.OrderID{"order-1"}, ids(r.list(ports.ListQuery{
		States: unresolved, Limit: 10, CreatedFrom: oldest.Add(time.Microsecond), Examined: 2,
	})))
	require.Equal(r.t, []payment.OrderID{"order-0"}, ids(r.list(ports.ListQuery{
		States: unresolved, Limit: 10, CreatedBefore: oldest.Add(time.Microsecond), Examined: 2,
	})))
	// More are due than a page may read.
	r.inState(payment.StateScheduled, "order-8")
	walked, pages = r.walk(ports.ListQuery{States: unresolved, Limit: 10, Examined: 2})
	require.Equal(r.t, want, walked)
	require.GreaterOrEqual(r.t, pages, 4)
}
