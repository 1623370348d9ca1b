package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
)

// openedStore returns a repository whose schema is current.
func openedStore(t *testing.T) *Payments {
	t.Helper()
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")
	schema, err := Schema(databaseURL)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	s, err := Open(databaseURL, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

var errOwn = errors.New("its own")

// inserting inserts the payment of an order, and returns the error then.
func inserting(t *testing.T, id payment.OrderID, then error) change {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.MoneyFromMinor(10_000, usd)
	require.NoError(t, err)
	ask := payment.ClaimRequest{
		OrderID: id, Money: money, NewKey: payment.GatewayKey("key-of-" + id), Replica: "replica-a", Lease: time.Hour,
	}
	return func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return errors.Join(insert(ctx, q, ask.Open(now)), then)
	}
}

// stored returns the orders that have a payment.
func stored(t *testing.T, s *Payments, orders ...payment.OrderID) (found []payment.OrderID) {
	t.Helper()
	for _, id := range orders {
		if _, err := s.Find(t.Context(), id); err == nil {
			found = append(found, id)
		}
	}
	return found
}

func TestWriteBatch_BadChangeDoesNotFailOthers(t *testing.T) {
	t.Parallel()
	s := openedStore(t)
	errs := s.writeBatch([]change{
		inserting(t, "good-1", nil), inserting(t, "bad", errOwn), inserting(t, "good-2", nil), inserting(t, "good-1", nil),
	})
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], errOwn)
	require.NoError(t, errs[2])
	require.ErrorContains(t, errs[3], "UNIQUE constraint failed")
	require.Equal(t, []payment.OrderID{"good-1", "good-2"}, stored(t, s, "good-1", "bad", "good-2"))

	require.ErrorIs(t, s.writeBatch([]change{inserting(t, "bad", errOwn)})[0], errOwn)
	require.Empty(t, stored(t, s, "bad"))
}

// Some errors roll back the whole transaction. The other changes are then made on their own.
func TestWriteBatch_ErrorThatEndsTheTransaction(t *testing.T) {
	t.Parallel()
	s := openedStore(t)
	_, err := s.writer.ExecContext(t.Context(), `CREATE TRIGGER poison BEFORE INSERT ON payments
		WHEN NEW.order_id = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'poisoned'); END`)
	require.NoError(t, err)
	errs := s.writeBatch([]change{
		inserting(t, "good-1", nil), inserting(t, "bad", nil), inserting(t, "good-2", nil),
	})
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "poisoned")
	require.NoError(t, errs[2])
	require.Equal(t, []payment.OrderID{"good-1", "good-2"}, stored(t, s, "good-1", "bad", "good-2"))
}

func TestWrite_PanicReachesItsCallerOnly(t *testing.T) {
	t.Parallel()
	s := openedStore(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			id := payment.OrderID(fmt.Sprint("good-", i))
			if err := s.write(t.Context(), inserting(t, id, nil)); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		})
		all.Go(func() {
			defer func() {
				if value := recover(); value != "bad" {
					t.Errorf("recovered %v", value)
				}
			}()
			_ = s.write(t.Context(), func(context.Context, *queries.Queries, time.Time) error { panic("bad") })
		})
	}
	all.Wait()
	for i := range 8 {
		id := payment.OrderID(fmt.Sprint("good-", i))
		require.Equal(t, []payment.OrderID{id}, stored(t, s, id))
	}
}

// The write lock is held until many changes wait, and the commits are counted.
func TestWrite_ChangesShareATransaction(t *testing.T) {
	t.Parallel()
	s := openedStore(t)
	begun, held := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_ = s.write(t.Context(), func(context.Context, *queries.Queries, time.Time) error {
			close(begun)
			<-held
			return nil
		})
	})
	<-begun
	var mu sync.Mutex
	moments := make(map[time.Time]int)
	var waiting sync.WaitGroup
	for range maxBatchRows {
		waiting.Add(1)
		all.Go(func() {
			waiting.Done()
			_ = s.write(t.Context(), func(_ context.Context, _ *queries.Queries, now time.Time) error {
				mu.Lock()
				defer mu.Unlock()
				moments[now]++
				return nil
			})
		})
	}
	waiting.Wait()
	close(held)
	all.Wait()
	require.Less(t, len(moments), maxBatchRows/4, "each transaction has its own now")
}
