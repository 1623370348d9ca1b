package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// consoleRequests are made of each page. The first one is not counted, because it also reads pages of the table.
	consoleRequests = 5
	// consoleLimit is how long a page may take with any number of payments.
	consoleLimit = 200 * time.Millisecond
	// rareRows of the payments, the oldest ones, are in another state than the others.
	rareRows = 100
)

// measureConsole times the pages that people look at, and the list of the API, over a table that holds many payments. The
// service has no API keys, so that no page needs a session.
func (h *harness) measureConsole(t *testing.T) {
	t.Helper()
	full := h.start(t, setup{name: "full", protocol: plain})
	c := full.service("full")
	c.fill(t, h.rows)
	db := openDatabase(t, full.database, true)
	var from, to time.Time
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT MIN(created_at), MAX(created_at) FROM payments").Scan(&from, &to))
	execute(t, db, "UPDATE payments SET state = 'declined', code = 'card_declined', transaction_id = '' "+
		"WHERE created_at < ? AND state = 'succeeded'", from.Add(rareRows*time.Second))
	execute(t, db, "ANALYZE TABLE payments")
	var order, transaction, key string
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT order_id, transaction_id, gateway_key FROM payments "+
		"ORDER BY created_at DESC LIMIT 1 OFFSET 1").Scan(&order, &transaction, &key))

	middle := from.Add(to.Sub(from) / 2).Format(time.RFC3339)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(w, "\n%d payments in the table, %d of them declined, the oldest; buffer pool %s; limit %v\n", h.rows, rareRows, h.bufferPool, consoleLimit)
	_, _ = fmt.Fprintln(w, "first\tmedian\tmost\tstatus\t\tpage\t")
	for _, page := range []string{
		"/console", "/console/waiting", "/console/waiting.csv",
		"/console/payments", "/console/payments?before=" + middle, "/console/payments.csv", "/console/payments.csv?before=" + middle,
		"/console/payments/" + order, "/console/search?q=" + order[:len(order)-2], "/console/search?q=" + key, "/console/search?q=" + transaction,
		"/payments", "/payments?state=succeeded", "/payments?state=declined", "/payments?state=unresolved",
		"/payments?created_from=" + middle, "/payments?created_before=" + middle, "/payments?state=declined&created_from=" + middle,
	} {
		first, rest, status := timePage(t, full.replica.URL+page)
		note := ""
		if slices.Max(rest) > consoleLimit {
			note = "SLOW"
		}
		_, _ = fmt.Fprintf(w, "%.1f ms\t%.1f ms\t%.1f ms\t%d\t%s\t%s\t\n", ms(first), ms(rest[len(rest)/2]), ms(rest[len(rest)-1]), status, note, page)
	}
	require.NoError(t, w.Flush())
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// timePage asks for a page several times, and returns how long the first bytes of its body took: the first time, and the
// others sorted.
func timePage(t *testing.T, address string) (first time.Duration, rest []time.Duration, status int) {
	t.Helper()
	for i := range consoleRequests {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		require.NoError(t, err)
		began := time.Now()
		response, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		_, _ = io.ReadFull(response.Body, make([]byte, 512)) // a short page is complete
		took := time.Since(began)
		cancel()
		_ = response.Body.Close()
		status = response.StatusCode
		if i == 0 {
			first = took
			continue
		}
		rest = append(rest, took)
	}
	slices.Sort(rest)
	return first, rest, status
}
