//go:build engines

package chaos_test

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // the hash of the vindex; it protects nothing
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// downOrders are the orders of each shard that are paid while one shard is down.
const downOrders = 5

// TestShard_DownAlone takes down one shard of Vitess after the other. Meanwhile the orders of the others are paid, and
// those of the shard are not. Without the first shard, all orders may be refused, because VTGate checks the variables of
// a new session there. When the shard is back, repeats succeed, and the ledger has one charge for each order.
//
//	make test/vitess
func TestShard_DownAlone(t *testing.T) { //nolint:paralleltest // its servers need the whole machine
	mysqltest.NotOn(t, "it has no shards", mysqltest.MySQL, mysqltest.TiDB)
	count, err := strconv.Atoi(cmp.Or(os.Getenv(mysqltest.ShardsVariable), "1"))
	require.NoError(t, err)
	shards := mysqltest.ShardNames(count)
	if count == 1 {
		t.Skip("with one shard, nothing else is left")
	}
	server, err := mysqltest.StartVitess(t.Context(), mysqltest.VitessConfig{
		Shards: count, Keyspaces: []string{"payments"}, Gated: true, Relaxed: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	migrate(t, server.URL("payments"))
	w := newService(t, []string{server.URL("payments"), server.URL("payments")})
	all := make(map[string]string) // transaction by order
	for i, down := range shards {
		before := len(all)
		server.CutShard("payments", down)
		for _, shard := range shards {
			for _, order := range ordersOf(shard, fmt.Sprintf("down-%d", i)) {
				switch {
				case shard != down && i > 0:
					all[order] = payRepeatedly(t, w, order)
				default:
					all[order] = payOrRefused(t, w, order)
					require.False(t, shard == down && all[order] != "", "order %s is paid without its shard", order)
				}
			}
		}
		paid := 0
		for _, transaction := range all {
			if transaction != "" {
				paid++
			}
		}
		t.Logf("while shard %s was down, %d of %d orders were paid", down, paid-before, len(all)-before)
		server.CutShard("payments", "")
		for order, transaction := range all {
			again := payRepeatedly(t, w, order)
			require.Equal(t, cmp.Or(transaction, again), again, "the transaction of order %s", order)
			all[order] = again
		}
	}
	w.heal(t)
	w.waitUntilFinal(t)
	taken := ledger(t, w)
	require.Len(t, taken, len(all), "charged orders")
	for order, transaction := range all {
		require.Len(t, taken[order], 1, "charges of %s", order)
		require.Equal(t, transaction, taken[order][0].id, "charges of %s", order)
	}
}

// payOrRefused requires that an order is paid, or refused and not charged, and returns the transaction.
func payOrRefused(t *testing.T, w *world, order string) (transaction string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), payLimit)
	defer cancel()
	a := apptest.Pay(ctx, w.urls()[0], order, plainAmount)
	if a.Code != http.StatusOK {
		require.Equal(t, http.StatusServiceUnavailable, a.Code, a)
		require.Empty(t, ledger(t, w)[order])
	}
	return a.Body.TransactionID
}

// payRepeatedly repeats the request for an order until it succeeds, and returns the transaction.
func payRepeatedly(t *testing.T, w *world, order string) (transaction string) {
	t.Helper()
	urls, tries := w.urls(), 0
	apptest.Eventually(t, mendLimit, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), payLimit)
		defer cancel()
		a := apptest.Pay(ctx, urls[tries%len(urls)], order, plainAmount)
		tries++
		if transaction = a.Body.TransactionID; a.Code != http.StatusOK {
			time.Sleep(200 * time.Millisecond)
			return fmt.Errorf("pay %s: %v", order, a)
		}
		return nil
	})
	return transaction
}

// ordersOf returns orders of a shard, which is a range of MD5 sums of the order id.
func ordersOf(shard, prefix string) (orders []string) {
	from, to, _ := strings.Cut(shard, "-")
	for n := 0; len(orders) < downOrders; n++ {
		order := fmt.Sprintf("%s-%d", prefix, n)
		sum := md5.Sum([]byte(order)) //nolint:gosec // see the import
		if id := hex.EncodeToString(sum[:1]); id >= from && (to == "" || id < to) {
			orders = append(orders, order)
		}
	}
	return orders
}
