package squaregateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

func TestCharges_ListsThePayments(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	from := b.fake.Now().Add(-time.Minute)
	approved := b.charge(cardOK, payment.ClassApproved)
	makePayments(t, b, 120)
	declined := charge(t, cardDeclined)
	declined.Key = "declined-key"
	require.Equal(t, payment.ClassDeclined, b.Charge(t.Context(), declined).Class)

	var all []payment.LedgerCharge
	q := payment.LedgerQuery{From: from, To: b.fake.Now().Add(time.Minute)}
	for pages := 1; ; pages++ {
		p, err := b.Charges(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, p.Unreadable)
		all = append(all, p.Charges...)
		if q.Cursor = p.Next; q.Cursor == "" {
			require.Equal(t, 2, pages)
			break
		}
	}
	require.Len(t, all, 122)
	first, last := all[0], all[121]
	require.Equal(t, payment.LedgerCharge{
		Key: key, OrderID: "order-1", Money: money(t, "100", "USD"), State: payment.FoundApproved,
		TransactionID: approved.TransactionID, Created: first.Created,
		Captured: payment.ListedSum(10000), Refunded: payment.ListedSum(0),
	}, first)
	require.Equal(t, payment.FoundProcessing, all[1].State)
	require.Equal(t, payment.FoundDeclined, last.State)
	require.NotEmpty(t, last.Reference)

	q.To = first.Created // not included
	q.Cursor = ""
	p, err := b.Charges(t.Context(), q)
	require.NoError(t, err)
	require.Empty(t, p.Charges)
}

func TestCharges_UnreadablePayments_AreReported(t *testing.T) {
	t.Parallel()
	g := newGateway(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Square-Version", squaregateway.DefaultVersion)
		_, _ = w.Write([]byte(`{"payments":[
			{"id":"a","status":"COMPLETED","created_at":"2026-01-02T03:04:05.678Z","amount_money":{"amount":7,"currency":"BGN"},"reference_id":"no key","note":"Brief description"},
			{"id":"b","status":"COMPLETED","created_at":"2026-01-02T03:04:05.678Z","amount_money":{"amount":0,"currency":"USD"}},
			{"id":"c","status":"COMPLETED","created_at":"2026-01-02T03:04:05.678Z","amount_money":{"amount":7,"currency":"XXX"}},
			{"id":"d","status":"COMPLETED","amount_money":{"amount":7,"currency":"USD"}},
			{"id":"e","status":"NEW","created_at":"2026-01-02T03:04:05.678Z","amount_money":{"amount":7,"currency":"USD"}},
			{"status":"COMPLETED"}, 7]}`))
	}), time.Now)
	p, err := g.Charges(t.Context(), payment.LedgerQuery{From: time.Now().AddDate(-1, 0, 0), To: time.Now().AddDate(9, 0, 0)})
	require.NoError(t, err)
	require.Len(t, p.Charges, 1)
	require.Len(t, p.Unreadable, 6)
	require.Empty(t, p.Charges[0].Key)
	require.Empty(t, p.Charges[0].OrderID)
	require.Equal(t, "a", p.Charges[0].TransactionID)
	created := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	require.Equal(t, created, p.Charges[0].Created)
	p, err = g.Charges(t.Context(), payment.LedgerQuery{From: created, To: created.Add(time.Millisecond)})
	require.NoError(t, err)
	require.Len(t, p.Charges, 1)
	p, err = g.Charges(t.Context(), payment.LedgerQuery{From: created.Add(-time.Hour), To: created})
	require.NoError(t, err)
	require.Empty(t, p.Charges, "To is not included")
}

func TestCharges_Failure_IsAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t, squarefake.Options{})
	q := payment.LedgerQuery{From: b.fake.Now().Add(-time.Hour), To: b.fake.Now()}
	for _, fault := range []squarefake.Fault{
		{Call: "list", Close: true},
		{Call: "list", Status: 200, Body: "<html></html>"},
		{Call: "list", Drop: []string{"Square-Version"}},
		{Call: "list", Skip: true, Status: 401, Errors: []squarefake.Error{{Category: "AUTHENTICATION_ERROR", Code: "UNAUTHORIZED"}}},
	} {
		b.fake.Inject(fault)
		_, err := b.Charges(t.Context(), q)
		require.ErrorContains(t, err, "list the payments of Square")
	}
	for _, wrong := range []payment.LedgerQuery{{}, {From: q.From}, {To: q.To}} {
		_, err := b.Charges(t.Context(), wrong)
		require.Error(t, err)
	}
}

// The list has what a payment took and what was refunded of it, whether or not a refund reduces its amount_money.
func TestCharges_HaveSums(t *testing.T) {
	t.Parallel()
	list := func(b bench) payment.LedgerCharge {
		p, err := b.Charges(t.Context(), payment.LedgerQuery{From: b.fake.Now().Add(-time.Hour), To: b.fake.Now().Add(time.Hour)})
		require.NoError(t, err)
		require.Empty(t, p.Unreadable)
		require.Len(t, p.Charges, 1)
		return p.Charges[0]
	}
	for _, reduces := range []bool{false, true} {
		b := newBench(t, squarefake.Options{RefundsReduceAmount: reduces})
		b.refund(b.refundOf(), payment.ClassApproved)
		got := list(b)
		require.Equal(t, [2]payment.LedgerSum{payment.ListedSum(10000), payment.ListedSum(2500)}, [2]payment.LedgerSum{got.Captured, got.Refunded})
	}
	b := newBench(t, squarefake.Options{})
	b.end(b.held(payment.KindCapture, "60"), payment.ClassApproved)
	got := list(b)
	require.Equal(t, money(t, "60", "USD"), got.Money, "Square reduces the amount to what was captured")
	require.Equal(t, [2]payment.LedgerSum{payment.ListedSum(6000), payment.ListedSum(0)}, [2]payment.LedgerSum{got.Captured, got.Refunded})
	b = newBench(t, squarefake.Options{})
	b.end(hold(t), payment.ClassAuthorized)
	require.Equal(t, payment.LedgerSum{}, list(b).Captured)
}

func TestCharges_RefundInAnotherCurrency_IsUnreadable(t *testing.T) {
	t.Parallel()
	g := newGateway(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Square-Version", squaregateway.DefaultVersion)
		_, _ = w.Write([]byte(`{"payments":[{"id":"a","status":"COMPLETED","created_at":"2026-01-02T03:04:05.678Z",
			"amount_money":{"amount":7,"currency":"USD"},"refunded_money":{"amount":7,"currency":"EUR"}}]}`))
	}), time.Now)
	p, err := g.Charges(t.Context(), payment.LedgerQuery{From: time.Now().AddDate(-1, 0, 0), To: time.Now().AddDate(9, 0, 0)})
	require.NoError(t, err)
	require.Empty(t, p.Charges)
	require.Len(t, p.Unreadable, 1)
	require.Contains(t, p.Unreadable[0], "refunded_money")
}
