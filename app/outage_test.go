package app_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// privateDatabase starts a server that the test may kill, and creates a database on it.
func privateDatabase(t *testing.T) (server *mysqltest.Server, url string) {
	t.Helper()
	server, err := mysqltest.Start(t.Context(), mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	url, err = server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	return server, url
}

// waitReadyz waits until /readyz answers with the status code.
func waitReadyz(t *testing.T, p *apptest.Process, code int) {
	t.Helper()
	apptest.Eventually(t, time.Minute, func() error {
		if got := apptest.Status(t.Context(), p.URL+"/readyz"); got != code {
			return fmt.Errorf("/readyz answers %d, not %d", got, code)
		}
		return nil
	})
}

// TestDatabaseOutages_UnderLoad_ChargeOnce kills the database three times. Each client requests its order until it gets
// the transaction, and then the next order.
//
//nolint:paralleltest // loads the machine
func TestDatabaseOutages_UnderLoad_ChargeOnce(t *testing.T) {
	const clients, outages, perOutage = 8, 3, 60
	database, url := privateDatabase(t)
	gateway := apptest.StartGateway(t)
	// The delay keeps most payments at the gateway when the database is killed.
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Delay: 20 * time.Millisecond} })
	p := serve(t, env{"PAYMENTD_DATABASE": url, "PAYMENTD_GATEWAY": gateway.URL})

	ctx, cancel := context.WithCancel(t.Context())
	load := newLoad(p.URL)
	for client := range clients {
		load.clients.Go(func() { load.run(ctx, client) })
	}
	var recoveries times
	for range outages {
		load.waitPaid(t, perOutage)
		require.NoError(t, database.Kill())
		waitReadyz(t, p, http.StatusServiceUnavailable)
		require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))
		require.NoError(t, database.Restart(t.Context()))
		back := time.Now()
		waitReadyz(t, p, http.StatusOK)
		load.waitPaid(t, 1)
		recoveries = append(recoveries, time.Since(back))
	}
	load.waitPaid(t, perOutage)
	cancel()
	load.clients.Wait()

	require.Empty(t, load.broken)
	for order, transaction := range load.paid {
		require.Equal(t, []string{transaction}, gateway.Taken(order), order)
		stored, err := apptest.Find(t.Context(), p.URL, order)
		require.NoError(t, err)
		require.Equal(t, "succeeded", stored.State, order)
		require.Equal(t, transaction, stored.TransactionID, order)
	}
	for _, c := range gateway.Charges() {
		require.Len(t, gateway.Taken(c.OrderID), 1, c.OrderID)
	}
	t.Logf("%d orders paid, each charged once; answers by status: %v; first payment after the restart of the database: %v",
		len(load.paid), load.codes, recoveries)
	require.Zero(t, p.Stop(t))
}

// load is a number of clients that repeat their requests.
type load struct {
	base    string
	clients sync.WaitGroup

	mu     sync.Mutex
	paid   map[string]string // the transaction of each order whose client got it
	codes  map[int]int       // the number of answers by status; 0 means no answer
	broken []string          // unexpected answers
}

func newLoad(base string) *load {
	return &load{base: base, paid: make(map[string]string), codes: make(map[int]int)}
}

// run runs one client.
func (l *load) run(ctx context.Context, client int) {
	for i := 0; ctx.Err() == nil; i++ {
		order := fmt.Sprintf("order-%d-%d", client, i)
		for ctx.Err() == nil && !l.ask(ctx, order) {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

// ask requests the order, and reports whether the answer has the transaction.
func (l *load) ask(ctx context.Context, order string) bool {
	a := apptest.Pay(ctx, l.base, order, "5.00")
	if ctx.Err() != nil {
		return false // the client was cancelled
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.codes[a.Code]++
	switch a.Code {
	case http.StatusOK:
		l.paid[order] = a.Body.TransactionID
		return true
	case http.StatusAccepted, http.StatusConflict, http.StatusServiceUnavailable:
	default:
		l.broken = append(l.broken, order+": "+a.String())
	}
	return false
}

// waitPaid waits until this many more orders are paid.
func (l *load) waitPaid(t *testing.T, more int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.paid)
	}
	begin := count()
	apptest.Eventually(t, time.Minute, func() error {
		if got := count() - begin; got < more {
			return fmt.Errorf("%d orders are paid, not %d", got, more)
		}
		return nil
	})
}

func TestServe_DatabaseDown_StartsNotReady(t *testing.T) {
	t.Parallel()

	database, url := privateDatabase(t)
	require.NoError(t, database.Kill())
	p := apptest.Start(t, apptest.Build(t), env{"PAYMENTD_DATABASE": url, "PAYMENTD_GATEWAY": "sandbox:"}, "serve")
	p.WaitLog(t, "paymentd listens")
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))
	require.Equal(t, http.StatusServiceUnavailable, apptest.Status(t.Context(), p.URL+"/readyz"))
	answer := apptest.Pay(t.Context(), p.URL, "order-1", "5.00")
	require.Equal(t, http.StatusServiceUnavailable, answer.Code, answer)
	require.Contains(t, answer.Body.Error, "nothing was charged by this request")

	require.NoError(t, database.Restart(t.Context()))
	p.WaitReady(t)
	p.WaitLog(t, "the database is reachable, and its schema is current")
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
}

// TestServe_DatabaseHangs_StartsNotReady uses a server that accepts connections and never answers.
func TestServe_DatabaseHangs_StartsNotReady(t *testing.T) {
	t.Parallel()

	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	p := apptest.Start(t, apptest.Build(t), env{
		"PAYMENTD_DATABASE": "mysql://user:password@" + silent.Addr().String() + "/payments",
		"PAYMENTD_GATEWAY":  "sandbox:",
	}, "serve")
	p.WaitLog(t, "paymentd listens")
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))
	require.Equal(t, http.StatusServiceUnavailable, apptest.Status(t.Context(), p.URL+"/readyz"))
	require.Zero(t, p.Stop(t))
}
