package sandbox

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// Lines that come while the disk is busy go to it together.
func TestLinesShareASync(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "ledger.jsonl"))
	require.NoError(t, err)
	l := &ledger{file: file, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	first := l.append([]byte("1\n"))
	for range 100 {
		require.Same(t, first, l.append([]byte("more\n")))
	}
	go l.run()
	<-first.done
	require.NotSame(t, first, l.append([]byte("later\n")))
	require.NoError(t, l.close())
}

func TestDecisionThatIsNotOnTheDiskIsNotTold(t *testing.T) {
	t.Parallel()
	e := &entry{transaction: 1, stored: &batch{done: make(chan struct{})}}
	require.NotNil(t, e.found().wait)
	e.stored.err = os.ErrClosed
	close(e.stored.done)
	require.Equal(t, http.StatusInternalServerError, e.found().status)
}

// When the disk fails, nothing that may be missing there is told, now or later.
func TestLedgerThatCannotBeWritten(t *testing.T) {
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
		require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), lost.Key).Result)
	}
	require.ErrorIs(t, g.entries[lost.Key].stored.err, os.ErrClosed)
	require.Equal(t, payment.FoundNoAnswer, g.LookUp(t.Context(), written.Key).Result)

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
