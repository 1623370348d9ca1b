//go:build engines

package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

const (
	hotRequests   = 400
	engineOrders  = 1000
	engineClients = 16
	// mendLimit is how long a client repeats a request: restarts of every part have to fit into it.
	mendLimit = 10 * time.Minute
	// payLimit is how long a client waits for an answer. All wait at the same time, on a machine that may be busy.
	payLimit = time.Minute
	// Of the orders, one in refundedOrder is refunded, and one in heldOrder has another one that is held and then
	// captured and voided at once.
	refundedOrder, heldOrder = 8, 12
)

// TestEngine_KillsDoNotChargeTwice pays 1,000 orders, half of them async, over two replicas, and one hot
// order with 400 requests at once, on the engine of TEST_MYSQL_ENGINE. Meanwhile the replicas, the engine
// and, on Vitess, the server that has the data of all shards are killed and restarted. A client repeats
// every request that failed. At the end, the ledger has one charge for each order. Some of the orders are refunded, and
// others are held, captured and voided; each operation moved money at most once.
//
//	make test/tidb
//	make test/vitess
func TestEngine_KillsDoNotChargeTwice(t *testing.T) { //nolint:paralleltest // its servers need the whole machine
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	server, url, err := mysqltest.StartTested(t.Context(), "payments", mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	migrate(t, url)
	w := newService(t, []string{url, url})
	p := &payers{world: w, operations: newWorkload(w, *seed), paid: make(map[string]string)}

	var all sync.WaitGroup
	for client := range engineClients {
		all.Go(func() { p.payOrders(t, client) })
	}
	p.await(t, engineOrders/10)
	for range hotRequests {
		all.Go(func() { p.pay(t, rand.IntN(2), "hot", "77.00", false) })
	}
	p.await(t, engineOrders/5)
	kill(t, p, "a replica", func() { w.replicas[0] = w.replicas[0].Restart(t) })
	p.await(t, 2*engineOrders/5)
	kill(t, p, "the engine", func() { require.NoError(t, server.Restart(t.Context())) })
	p.await(t, 3*engineOrders/5)
	if vitess, ok := server.(*mysqltest.VitessServer); ok {
		kill(t, p, "the server of all shards", func() { require.NoError(t, vitess.RestartData(t.Context())) })
	}
	p.await(t, 4*engineOrders/5)
	kill(t, p, "the other replica", func() { w.replicas[1] = w.replicas[1].Restart(t) })
	all.Wait()
	if t.Failed() {
		return
	}
	w.heal(t)
	w.waitUntilFinal(t)
	p.audit(t)
	auditOperations(t, w, p.operations)
}

// kill calls restart, which kills first, and measures the time until the next order is paid.
func kill(t *testing.T, p *payers, what string, restart func()) {
	t.Helper()
	began, before := time.Now(), p.done.Load()
	restart()
	up := time.Since(began)
	p.await(t, min(engineOrders, int(before)+engineClients+1))
	t.Logf("%s was killed: up again after %v, and orders are paid after %v", what,
		up.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// heldPrefix is the beginning of the orders that are held.
const heldPrefix = "held-"

// payers are the clients, and the transactions that they got.
type payers struct {
	world *world
	// operations are the refunds, captures and voids.
	operations *workload
	next       atomic.Int64
	done       atomic.Int64 // orders, without the hot one
	tries      atomic.Int64

	mu   sync.Mutex
	paid map[string]string // transaction by order
}

// await returns when a number of orders are paid.
func (p *payers) await(t *testing.T, orders int) {
	t.Helper()
	apptest.Eventually(t, mendLimit, func() error {
		if done := p.done.Load(); done < int64(orders) && !t.Failed() {
			return fmt.Errorf("%d of %d orders are paid", done, orders)
		}
		return nil
	})
}

// payOrders pays new orders until all are paid.
func (p *payers) payOrders(t *testing.T, client int) {
	random := rand.New(rand.NewPCG(*seed, uint64(client)))
	for {
		n := p.next.Add(1)
		if n > engineOrders {
			return
		}
		order := fmt.Sprintf("order-%d", n)
		p.pay(t, client, order, plainAmount, n%2 == 0)
		if n%refundedOrder == 0 {
			p.operations.refund(random, order)
		}
		if n%heldOrder == 0 {
			p.operations.holdAndEnd(random, fmt.Sprintf("%s%d", heldPrefix, n))
		}
		p.done.Add(1)
	}
}

// pay repeats a request until it succeeds.
func (p *payers) pay(t *testing.T, client int, order, amount string, async bool) {
	var headers []string
	if async {
		headers = []string{"Prefer", "respond-async"}
	}
	urls := p.world.urls()
	var last apptest.Answer
	for end := time.Now().Add(mendLimit); time.Now().Before(end); client++ {
		p.tries.Add(1)
		ctx, cancel := context.WithTimeout(t.Context(), payLimit)
		last = apptest.Pay(ctx, urls[client%len(urls)], order, amount, headers...)
		cancel()
		if last.Code == http.StatusOK {
			p.record(t, order, last.Body.TransactionID)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("order %s is not paid after %v: %v", order, mendLimit, last)
}

// record requires that all responses for an order have one transaction.
func (p *payers) record(t *testing.T, order, transaction string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before, known := p.paid[order]; known && before != transaction {
		t.Errorf("order %s got two transactions: %s and %s", order, before, transaction)
	}
	p.paid[order] = transaction
}

// audit compares the ledger, the table and the responses.
func (p *payers) audit(t *testing.T) {
	t.Helper()
	taken := ledger(t, p.world)
	maps.DeleteFunc(taken, func(order string, _ []transaction) bool { return strings.HasPrefix(order, heldPrefix) })
	require.Len(t, taken, engineOrders+1, "charged orders")
	for order, transaction := range p.paid {
		require.Len(t, taken[order], 1, "charges of %s", order)
		require.Equal(t, transaction, taken[order][0].id, "charges of %s", order)
		stored, err := apptest.Find(t.Context(), p.world.replicas[0].URL, order)
		require.NoError(t, err)
		require.Equal(t, transaction, stored.TransactionID)
		require.Equal(t, "succeeded", stored.State)
	}
	t.Logf("%d orders, %d requests and repeats, one charge each", len(p.paid), p.tries.Load())
}
