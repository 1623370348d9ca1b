package portstest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// SummarizedPayments is a repository of payments that an audit can read.
type SummarizedPayments interface {
	ports.Payments
	ports.Summaries
}

// Summaries checks that a repository keeps the contract of ports.Summaries. open returns a new, empty
// repository, and registers its removal with t.Cleanup.
func Summaries(t *testing.T, open func(t testing.TB) SummarizedPayments) {
	t.Helper()
	for name, check := range map[string]func(*summarized){
		"list/oldest first, in pages":      listsSummariesInPages,
		"list/by creation time":            boundsSummaries,
		"list/a page has a limit":          limitsSummaries,
		"find/some of the orders":          findsSummaries,
		"find/as many as a page may have":  findsManySummaries,
		"a summary is that of the payment": summarizesEveryState,
		"refunds/of some of the orders":    findsRefunds,
		"refunds/what may still move":      findsOpenRefunds,
		"refunds/one that failed in doubt": findsRefundsInDoubt,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			check(&summarized{repository: &repository{Payments: s, t: t}, summaries: s})
		})
	}
}

// summarized is the repository under test.
type summarized struct {
	*repository

	summaries ports.Summaries
}

// always is a period that contains every payment of a test.
func always(limit int) ports.SummaryQuery {
	return ports.SummaryQuery{
		CreatedFrom:   time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC),
		CreatedBefore: time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC),
		Limit:         limit,
	}
}

// all reads every page of the query.
func (s *summarized) all(q ports.SummaryQuery) (all []payment.Summary) {
	s.t.Helper()
	for {
		page, err := s.summaries.ListSummaries(s.t.Context(), q)
		require.NoError(s.t, err)
		require.Empty(s.t, page.Unreadable)
		require.LessOrEqual(s.t, len(page.Summaries), q.Limit)
		all = append(all, page.Summaries...)
		if page.NextOrderID == "" {
			require.Zero(s.t, page.NextCreatedAt)
			return all
		}
		require.Len(s.t, page.Summaries, q.Limit, "only the last page is not full")
		q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
	}
}

func (s *summarized) findAll(orders ...payment.OrderID) []payment.Summary {
	s.t.Helper()
	page, err := s.summaries.FindSummaries(s.t.Context(), orders)
	require.NoError(s.t, err)
	require.Empty(s.t, page.Unreadable)
	require.Empty(s.t, page.NextOrderID)
	return page.Summaries
}

func summaryIDs(all []payment.Summary) []payment.OrderID {
	found := make([]payment.OrderID, 0, len(all))
	for _, s := range all {
		found = append(found, s.OrderID)
	}
	return found
}

// listsSummariesInPages reads all payments in pages of every size, and requires each payment once, in the
// same order.
func listsSummariesInPages(s *summarized) {
	const n = 7
	require.Empty(s.t, s.all(always(10)))
	for i := range n {
		s.inState(payment.States()[i%len(payment.States())], payment.OrderID(fmt.Sprintf("order-%d", i)))
	}
	whole := s.all(always(100))
	require.Len(s.t, whole, n)
	require.True(s.t, slices.IsSortedFunc(whole, func(a, b payment.Summary) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.OrderID, b.OrderID))
	}))
	for size := 1; size <= n; size++ {
		require.Equal(s.t, summaryIDs(whole), summaryIDs(s.all(always(size))), "in pages of %d", size)
	}
}

func boundsSummaries(s *summarized) {
	first := s.inState(payment.StateSucceeded, "order-1")
	s.laterThan(first.CreatedAt)
	second := s.inState(payment.StateUnresolved, "order-2")
	s.laterThan(second.CreatedAt)
	third := s.inState(payment.StateSucceeded, "order-3")
	period := func(from, before payment.Payment) []payment.OrderID {
		return summaryIDs(s.all(ports.SummaryQuery{CreatedFrom: from.CreatedAt, CreatedBefore: before.CreatedAt, Limit: 1}))
	}
	require.Equal(s.t, []payment.OrderID{"order-1", "order-2"}, period(first, third), "from is included, before is not")
	require.Equal(s.t, []payment.OrderID{"order-2"}, period(second, third))
	require.Empty(s.t, period(third, third))
	require.Empty(s.t, period(third, first))
}

func limitsSummaries(s *summarized) {
	for i := range 3 {
		s.inState(payment.StateScheduled, payment.OrderID(fmt.Sprintf("order-%d", i)))
	}
	page, err := s.summaries.ListSummaries(s.t.Context(), always(0))
	require.NoError(s.t, err)
	require.Empty(s.t, page.Summaries)
	require.Empty(s.t, page.NextOrderID)
	page, err = s.summaries.ListSummaries(s.t.Context(), always(ports.MaxSummaries+1))
	require.NoError(s.t, err)
	require.Len(s.t, page.Summaries, 3)
}

func findsSummaries(s *summarized) {
	for _, id := range []payment.OrderID{"order-1", "order-2", "order-3", "Order-1"} {
		s.inState(payment.StateSucceeded, id)
	}
	require.ElementsMatch(s.t, []payment.OrderID{"order-1", "order-3"},
		summaryIDs(s.findAll("order-3", "order-9", "order-1", "order-1", "ORDER-1", "")))
	require.Empty(s.t, s.findAll("order-9"))
	require.Empty(s.t, s.findAll())
}

func findsManySummaries(s *summarized) {
	s.inState(payment.StateSucceeded, "order-1")
	orders := make([]payment.OrderID, ports.MaxSummaries)
	for i := range orders {
		orders[i] = payment.OrderID(fmt.Sprintf("unknown-%d", i))
	}
	orders[ports.MaxSummaries-1] = "order-1"
	require.Equal(s.t, []payment.OrderID{"order-1"}, summaryIDs(s.findAll(orders...)))
}

func summarizesEveryState(s *summarized) {
	for _, state := range payment.States() {
		s.inState(state, payment.OrderID("order-"+state))
	}
	listed := s.all(always(100))
	require.Len(s.t, listed, len(payment.States()))
	for _, got := range listed {
		requireSummary(s.t, s.find(got.OrderID), got)
		found := s.findAll(got.OrderID)
		require.Len(s.t, found, 1)
		requireSummary(s.t, s.find(got.OrderID), found[0])
	}
}

// refundsOf returns the refunds of orders, in the order of their names.
func (s *summarized) refundsOf(orders ...payment.OrderID) []payment.RefundSummary {
	s.t.Helper()
	page, err := s.summaries.FindRefunds(s.t.Context(), orders)
	require.NoError(s.t, err)
	require.Empty(s.t, page.Unreadable)
	slices.SortFunc(page.Refunds, func(a, b payment.RefundSummary) int {
		return cmp.Or(cmp.Compare(a.OrderID, b.OrderID), cmp.Compare(a.Name, b.Name))
	})
	return page.Refunds
}

// findsRefunds requires the refunds of the orders that are asked for, each as it is stored, and no other operation.
func findsRefunds(s *summarized) {
	var want []payment.RefundSummary
	for _, id := range []payment.OrderID{"order-1", "order-2", "order-3"} {
		s.charged(id)
		for _, name := range []string{"r-1", "r-2"} {
			stored := s.refundInState(payment.StateSucceeded, id, name, "10")
			if id != "order-2" {
				want = append(want, s.stored(stored.Ref()).RefundSummary())
			}
		}
	}
	s.held("order-4")
	s.claim(s.captureRequest("order-4", ""), payment.VerdictClaimed)
	got := s.refundsOf("order-3", "order-1", "order-1", "order-4", "order-9")
	require.Len(s.t, got, len(want))
	for i := range want {
		want[i].UpdatedAt, got[i].UpdatedAt = plainTime(want[i].UpdatedAt), plainTime(got[i].UpdatedAt)
	}
	require.Equal(s.t, want, got)
	require.Empty(s.t, s.refundsOf())
}

// findsOpenRefunds requires of a refund in each state that it is open exactly while its amount is reserved and it has not
// succeeded.
func findsOpenRefunds(s *summarized) {
	for _, state := range operationStates() {
		id := payment.OrderID("order-" + state)
		s.charged(id)
		s.refundInState(state, id, "r-1", "10")
		got := s.refundsOf(id)
		require.Len(s.t, got, 1)
		require.Equal(s.t, state, got[0].State)
		require.Equal(s.t, state != payment.StateSucceeded && s.reserved(id) != "0", got[0].Open(), state)
		require.Equal(s.t, s.reserved(id), summaryReserved(s.findAll(id)[0]), state)
	}
}

// findsRefundsInDoubt requires that a refund that has failed is open while a second lookup may find it.
func findsRefundsInDoubt(s *summarized) {
	s.charged("order-1")
	l := lookup(s.refundClaimedForLookup("order-1", "r-1", "25"), payment.FoundNothing)
	l.Rules.Late = 0
	require.Equal(s.t, payment.StateFailed, s.record(l, payment.VerdictWritten).State)
	require.True(s.t, s.refundsOf("order-1")[0].Open(), "it may still happen")
}

func summaryReserved(p payment.Summary) string {
	if p.RefundReserved == 0 {
		return "0"
	}
	return p.Money.Currency().Decimal(p.RefundReserved)
}

func requireSummary(t testing.TB, p payment.Payment, got payment.Summary) {
	t.Helper()
	want := p.Summary()
	want.CreatedAt, want.UpdatedAt = plainTime(want.CreatedAt), plainTime(want.UpdatedAt)
	got.CreatedAt, got.UpdatedAt = plainTime(got.CreatedAt), plainTime(got.UpdatedAt)
	require.Equal(t, want, got)
}

// damagedSummaries checks which damages of a payment's row its summary shows. The other rows are listed.
func damagedSummaries(t *testing.T, s Stored, column string) {
	t.Helper()
	summaries, implements := s.Payments.(ports.Summaries)
	require.True(t, implements, "the repository implements ports.Summaries")
	shown := slices.Contains([]string{"currency", "state", "amount_minor", "transaction_id", "gateway_key", "captured_minor"}, column)
	want := []payment.OrderID{"order-bad", "order-good", "order-other"}
	if shown {
		want = want[1:]
	}
	listed, err := summaries.ListSummaries(t.Context(), always(10))
	require.NoError(t, err)
	found, err := summaries.FindSummaries(t.Context(), []payment.OrderID{"order-bad", "order-good", "order-other"})
	require.NoError(t, err)
	for name, page := range map[string]ports.SummaryPage{"ListSummaries": listed, "FindSummaries": found} {
		require.ElementsMatch(t, want, summaryIDs(page.Summaries), name)
		if shown {
			require.Len(t, page.Unreadable, 1, name)
			requireDamaged(t, page.Unreadable[0], "order-bad", "payments", column, name)
		}
	}
	first, err := summaries.ListSummaries(t.Context(), always(1))
	require.NoError(t, err)
	require.Equal(t, payment.OrderID("order-bad"), first.NextOrderID, "a damaged row counts towards the page")
}
