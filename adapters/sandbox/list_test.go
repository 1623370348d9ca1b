package sandbox_test

import (
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
	"paymentd/ports"
)

var _ ports.Ledger = (*sandbox.Gateway)(nil)

// readAll reads all pages of a list.
func readAll(t testing.TB, l ports.Ledger, q payment.LedgerQuery) (all []payment.LedgerCharge, pages int) {
	t.Helper()
	for {
		page, err := l.Charges(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, page.Unreadable)
		all, pages = append(all, page.Charges...), pages+1
		if q.Cursor = page.Next; q.Cursor == "" {
			return all, pages
		}
	}
}

// The list has every charge once, in its latest state, within the bounds, in process and over HTTP.
func TestCharges_ListsEveryCharge(t *testing.T) {
	t.Parallel()
	g := open(t, ledgerPath(t))
	server := httptest.NewServer(sandbox.Handler(g))
	t.Cleanup(server.Close)
	remote, err := httpgateway.New(server.URL, 10*time.Second)
	require.NoError(t, err)
	t.Cleanup(remote.Close)

	began := time.Now()
	amounts := map[string]string{"key-1": "100", "key-2": "9402", "key-3": "9201", "key-4": "9201", "key-5": "9500", `key<"\>`: "7"}
	for key, amount := range amounts {
		g.Charge(t.Context(), charge(t, key, amount))
	}
	g.Cancel(t.Context(), payment.ChargeRef{Key: "key-4"})
	ended := time.Now().Add(time.Millisecond)
	for _, l := range []ports.Ledger{g, remote} {
		all, _ := readAll(t, l, payment.LedgerQuery{From: began, To: ended})
		states := make(map[string]payment.LookupResult)
		for _, c := range all {
			states[string(c.Key)] = c.State
			require.Equal(t, c.State == payment.FoundApproved, c.TransactionID != "")
			require.Equal(t, charge(t, string(c.Key), amounts[string(c.Key)]).Money, c.Money)
			require.WithinRange(t, c.Created, began, ended)
		}
		require.Equal(t, map[string]payment.LookupResult{
			"key-1": payment.FoundApproved, "key-2": payment.FoundDeclined, "key-3": payment.FoundPending, "key-4": payment.FoundVoided,
			`key<"\>`: payment.FoundApproved,
		}, states)
		require.Len(t, all, len(states))
		none, _ := readAll(t, l, payment.LedgerQuery{From: ended, To: ended.Add(time.Hour)})
		require.Empty(t, none)
		_, err := l.Charges(t.Context(), payment.LedgerQuery{From: began, To: ended, Cursor: "x"})
		require.ErrorContains(t, err, "next_cursor of a page")
	}
}

// A long list has several pages, and a forgotten key that was used again is on it twice.
func TestCharges_HasPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ledgerPath(t), sandbox.WithForgetAfter(time.Minute))
		began := time.Now()
		const n = 2001
		for i := range n {
			g.Charge(t.Context(), charge(t, "key-"+strconv.Itoa(i), "1"))
		}
		time.Sleep(time.Hour)
		g.Charge(t.Context(), charge(t, "key-7", "1"))
		all, pages := readAll(t, g, payment.LedgerQuery{From: began, To: time.Now().Add(time.Second)})
		require.Len(t, all, n+1)
		require.Equal(t, 3, pages)
		require.Equal(t, payment.GatewayKey("key-7"), all[n].Key)
		require.NotEqual(t, all[7].TransactionID, all[n].TransactionID)
		first, _ := readAll(t, g, payment.LedgerQuery{From: began, To: began.Add(time.Minute)})
		require.Len(t, first, n)
	})
}

// The list has what was captured of each charge, and what its refunds have given back, in process and over HTTP.
func TestCharges_ListsSums(t *testing.T) {
	t.Parallel()
	g := open(t, ledgerPath(t))
	server := httptest.NewServer(sandbox.Handler(g))
	t.Cleanup(server.Close)
	remote, err := httpgateway.New(server.URL, 10*time.Second)
	require.NoError(t, err)
	t.Cleanup(remote.Close)

	began := time.Now()
	do := func(c payment.Charge, want payment.Class) payment.Charge {
		require.Equal(t, want, g.Charge(t.Context(), c).Class)
		return c
	}
	refunded := do(charge(t, "refunded", "100"), payment.ClassApproved)
	do(refundOf(t, refunded, "r-1", "25"), payment.ClassApproved)
	do(refundOf(t, refunded, "r-2", "5.50"), payment.ClassApproved)
	do(refundOf(t, refunded, "r-3", "100"), payment.ClassDeclined)
	returned := do(charge(t, "returned", "100"), payment.ClassApproved)
	do(refundOf(t, returned, "r-4", "25"), payment.ClassApproved)
	require.True(t, g.Return(t.Context(), "r-4"))
	captured := hold(t, g, "captured", "100")
	do(captureOf(t, captured, "c-1", "60"), payment.ClassApproved)
	do(refundOf(t, captured, "r-5", "10"), payment.ClassApproved)
	hold(t, g, "held", "100")

	none := payment.LedgerSum{}
	for _, l := range []ports.Ledger{g, remote} {
		all, _ := readAll(t, l, payment.LedgerQuery{From: began, To: time.Now().Add(time.Millisecond)})
		sums := map[payment.GatewayKey][2]payment.LedgerSum{}
		for _, c := range all {
			sums[c.Key] = [2]payment.LedgerSum{c.Captured, c.Refunded}
		}
		require.Equal(t, map[payment.GatewayKey][2]payment.LedgerSum{
			"refunded": {payment.ListedSum(10000), payment.ListedSum(3050)},
			"returned": {payment.ListedSum(10000), payment.ListedSum(0)},
			"captured": {payment.ListedSum(6000), payment.ListedSum(1000)},
			"held":     {none, none},
		}, sums)
	}
}
