package sandbox

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/internal/groupcommit"
)

func TestLedger_LinesShareASync(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "ledger.jsonl"))
	require.NoError(t, err)
	l := newLedger(file)
	var syncs [][]*ledgerLine
	begun, hold := make(chan struct{}, 2), make(chan struct{})
	l.writes = groupcommit.NewBatcher(maxBatchLines, 1, time.Minute, func(batch []*ledgerLine) []error {
		begun <- struct{}{}
		<-hold
		syncs = append(syncs, batch)
		return l.write(batch)
	})
	first := l.append([]byte("1\n"))
	<-begun
	want := []*ledgerLine{}
	for range 100 {
		want = append(want, l.append([]byte("more\n")))
	}
	close(hold)
	require.NoError(t, l.close())
	require.Equal(t, [][]*ledgerLine{{first}, want}, syncs)
}

func TestEntry_NotFoundUntilItIsSynced(t *testing.T) {
	t.Parallel()
	e := &entry{transaction: 1, stored: &ledgerLine{done: make(chan struct{})}}
	require.NotNil(t, e.found().wait)
	e.stored.err = os.ErrClosed
	close(e.stored.done)
	require.Equal(t, http.StatusInternalServerError, e.found().status)
}

// After a failed write, the sandbox answers no charge and no lookup, because its ledger may lack them.
func TestLedger_FailedWriteStopsTheSandbox(t *testing.T) {
	t.Parallel()
	g, err := Open(filepath.Join(t.TempDir(), "ledger.jsonl"), WithLog(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	amount, err := payment.ParseMoney("100", usd)
	require.NoError(t, err)
	written := payment.Charge{Key: "key-1", OrderID: "order-1", Money: amount}
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), written).Class)

	require.NoError(t, g.ledger.file.Close())
	lost := payment.Charge{Key: "key-2", OrderID: "order-2", Money: amount}
	for range 2 {
		r := g.Charge(t.Context(), lost)
		require.Equal(t, payment.ClassUnknownAnswered, r.Class, r.Message)
		require.Contains(t, r.Message, "write sandbox ledger")
		require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: lost.Key}).Result)
	}
	require.ErrorIs(t, g.entries[slotOf(lost)].stored.err, os.ErrClosed)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), payment.ChargeRef{Key: written.Key}).Result)

	for request, want := range map[*http.Request]int{
		httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody):       http.StatusServiceUnavailable,
		httptest.NewRequest(http.MethodGet, "/charges/key-1", http.NoBody): http.StatusInternalServerError,
	} {
		w := httptest.NewRecorder()
		Handler(g).ServeHTTP(w, request)
		require.Equal(t, want, w.Code)
		require.Contains(t, w.Body.String(), "write sandbox ledger")
	}
	require.ErrorContains(t, g.Close(), "write sandbox ledger")
}
