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

// privateDatabase is a server that the test may kill, and a database on it.
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

// TestDatabaseOutages kills the database three times under load. Each client asks for its
// order until it is told the transaction, and then for the next one.
//
//nolint:paralleltest // it loads the machine
func TestDatabaseOutages(t *testing.T) {
	const clients, outages, perOutage = 8, 3, 60
	database, url := privateDatabase(t)
	gateway := apptest.StartGateway(t)
	// So that most payments are at the gateway when the database goes.
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Delay: 20 * time.Millisecond} })
	p := serve(t, env{"PAYMENTD_DATABASE": url, "PAYMENTD_GATEWAY": gateway.URL})

	ctx, cancel := context.WithCancel(t.Context())
	load := newLoad(p.URL)
	for client := range clients {
		load.clients.Go(func() { load.run(ctx, client) })
	}
	var recoveries times
	for range outages {
		load.waitTold(t, perOutage)
		require.NoError(t, database.Kill())
		waitReadyz(t, p, http.StatusServiceUnavailable)
		require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))
		require.NoError(t, database.Restart(t.Context()))
		back := time.Now()
		waitReadyz(t, p, http.StatusOK)
		load.waitTold(t, 1)
		recoveries = append(recoveries, time.Since(back))
	}
	load.waitTold(t, perOutage)
	cancel()
	load.clients.Wait()

	require.Empty(t, load.broken)
	for order, transaction := range load.told {
		require.Equal(t, []string{transaction}, gateway.Taken(order), order)
		stored, err := apptest.Find(t.Context(), p.URL, order)
		require.NoError(t, err)
		require.Equal(t, "succeeded", stored.State, order)
		require.Equal(t, transaction, stored.TransactionID, order)
	}
	for _, c := range gateway.Charges() {
		require.Len(t, gateway.Taken(c.OrderID), 1, c.OrderID)
	}
	t.Logf("%d orders told, each charged once; answers by status: %v; told again after the database was back: %v",
		len(load.told), load.codes, recoveries)
	require.Zero(t, p.Stop(t))
}

// load is clients that do not give up.
type load struct {
	base    string
	clients sync.WaitGroup

	mu     sync.Mutex
	told   map[string]string // the transaction of each order that was told one
	codes  map[int]int       // how often each status was answered; 0 for no answer
	broken []string          // answers that a client should not get
}

func newLoad(base string) *load {
	return &load{base: base, told: make(map[string]string), codes: make(map[int]int)}
}

// run is one client.
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

// ask asks for the order, and reports whether it was told the transaction.
func (l *load) ask(ctx context.Context, order string) bool {
	a := apptest.Pay(ctx, l.base, order, "5.00")
	if ctx.Err() != nil {
		return false // the client has left
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.codes[a.Code]++
	switch a.Code {
	case http.StatusOK:
		l.told[order] = a.Body.TransactionID
		return true
	case http.StatusAccepted, http.StatusConflict, http.StatusServiceUnavailable:
	default:
		l.broken = append(l.broken, order+": "+a.String())
	}
	return false
}

// waitTold waits until so many more orders were told their transaction.
func (l *load) waitTold(t *testing.T, more int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.told)
	}
	begin := count()
	apptest.Eventually(t, time.Minute, func() error {
		if got := count() - begin; got < more {
			return fmt.Errorf("%d orders were told, not %d", got, more)
		}
		return nil
	})
}

func TestDatabaseIsDownAtTheStart(t *testing.T) {
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

// TestDatabaseIsSilentAtTheStart has a server that takes connections and says nothing, as one
// does whose machine hangs.
func TestDatabaseIsSilentAtTheStart(t *testing.T) {
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
