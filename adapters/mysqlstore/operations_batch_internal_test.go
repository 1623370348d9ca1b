package mysqlstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
	"paymentd/ports"
)

// chargedOrders makes a succeeded payment of each order.
func chargedOrders(t testing.TB, s *Payments, orders ...payment.OrderID) {
	t.Helper()
	for _, id := range orders {
		p, _, err := s.Claim(t.Context(), request(t, id))
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), approved(*p)))
	}
}

// authorizedOrder makes an authorized payment.
func authorizedOrder(t *testing.T, s *Payments, id payment.OrderID) {
	t.Helper()
	a := request(t, id)
	a.Capture = payment.CaptureManual
	p, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	st := approved(*p)
	st.End.Class, st.Outcome.State = payment.ClassAuthorized, payment.StateAuthorized
	require.NoError(t, s.Settle(t.Context(), st))
}

// partOf returns a request for a refund of a part of the payment.
func partOf(t testing.TB, id payment.OrderID, name string, minor int64) payment.ClaimRequest {
	t.Helper()
	a := refundRequest(t, id, name)
	var err error
	a.Money, err = payment.MoneyFromMinor(minor, request(t, id).Money.Currency())
	require.NoError(t, err)
	return a
}

func captureRequest(t *testing.T, id payment.OrderID) payment.ClaimRequest {
	t.Helper()
	a := request(t, id)
	a.Operation, a.Money = payment.OperationID{Kind: payment.KindCapture}, payment.Money{}
	a.NewKey = payment.GatewayKey("capture-of-" + id)
	a.Rules.Operations |= payment.OperationCapture
	return a
}

func newBegun(requests ...payment.ClaimRequest) (batch []*rowUpdate) {
	for _, a := range requests {
		u := newKeyUpdate(payment.Ref{OrderID: a.OrderID, Operation: a.Operation}, nil)
		u.request = &a
		batch = append(batch, u)
	}
	return batch
}

// Operations that begin together are compared with the same ones that begin alone: a refund of a part, a second one, a
// deferred one of all, and a capture.
func TestBeginBatch_EqualsSingleTransactions(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "operations begin alone on TiDB, and a batch of the test spans shards", mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	begin := func(suffix payment.OrderID) []payment.ClaimRequest {
		chargedOrders(t, s, "b-2"+suffix, "a-1"+suffix, "c-3"+suffix)
		authorizedOrder(t, s, "d-4"+suffix)
		_, _, err := s.Claim(t.Context(), partOf(t, "a-1"+suffix, "r-1", 20))
		require.NoError(t, err)
		deferred := refundRequest(t, "c-3"+suffix, "r-9")
		deferred.Deferred, deferred.Async, deferred.Note = true, true, `it's "broken" \ 漢`
		return []payment.ClaimRequest{partOf(t, "b-2"+suffix, "r-1", 5), partOf(t, "a-1"+suffix, "r-2", 7), deferred, captureRequest(t, "d-4"+suffix)}
	}
	requests := begin("")
	many := newBegun(requests...)
	requireCount(t, s, map[string]int{
		"Questions": 6, "Com_begin": 1, "Com_select": 2, "Com_insert": 1, "Com_update": 1, "Com_commit": 1,
	}, func() { require.Equal(t, make([]error, 4), s.beginBatch(many)) })
	for i, a := range begin("-alone") {
		p, verdict, err := s.Claim(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, verdict, many[i].decision.Verdict)
		want, got := historyOf(t, s, a.OrderID), historyOf(t, s, requests[i].OrderID)
		last := len(want.Operations) - 1
		require.Len(t, got.Operations, last+1)
		require.Equal(t, operationSinceCreation(want.Operations[last].Payment), operationSinceCreation(got.Operations[last].Payment))
		require.Equal(t, sinceCreation(withoutTimes(want.Payment)), sinceCreation(withoutTimes(got.Payment)))
		require.True(t, got.Payment.UpdatedAt.Equal(got.Operations[last].Payment.UpdatedAt))
		require.Equal(t, p.State, many[i].decision.Payment.State)
		seen := many[i].decision.Payment
		seen.SeenAt = got.Operations[last].Payment.SeenAt
		stored := got.Operations[last].Payment
		require.Equal(t, stored.ClaimRef(), seen.ClaimRef(), "what the claim returns is what is stored")
	}
}

func withoutTimes(p payment.Payment) payment.Payment {
	p.UpdatedAt, p.DueAt, p.Attempt.EndedAt, p.HoldExpires = p.CreatedAt, time.Time{}, time.Time{}, time.Time{}
	return p
}

func operationSinceCreation(p payment.Payment) payment.Payment {
	p = sinceCreation(p)
	p.Of.Key = ""
	return p
}

// A request that is refused, repeated, unknown, or whose payment is locked, does not fail the others.
func TestBeginBatch_BadRequestDoesNotFailOthers(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "operations begin alone on TiDB, and a batch of the test spans shards", mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	chargedOrders(t, s, "good", "small", "repeated", "locked", "another")
	_, _, err := s.Claim(t.Context(), partOf(t, "repeated", "r-1", 10))
	require.NoError(t, err)
	other, err := Open(urlOf(s), Options{MaxOpen: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	tx, err := other.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = queries.New(tx).LockPayment(t.Context(), "locked")
	require.NoError(t, err)

	batch := newBegun(
		partOf(t, "good", "r-1", 10), partOf(t, "small", "r-1", 1_000_000), partOf(t, "repeated", "r-1", 10), refundRequest(t, "unknown", "r-1"),
		partOf(t, "locked", "r-1", 10), partOf(t, "another", "r-1", 10), partOf(t, "good", "r-2", 10),
	)
	for i, err := range s.beginBatch(batch) {
		if i == 0 || i == 5 {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, errNotBatched, i)
	}
	require.NoError(t, tx.Rollback())
	require.Equal(t, int64(10), historyOf(t, s, "good").Payment.RefundReserved)
	require.Equal(t, 1, historyOf(t, s, "another").Payment.Operations)
	require.Empty(t, historyOf(t, s, "locked").Operations)

	// The row of one cannot be stored: none is, and nothing is reserved.
	batch = newBegun(partOf(t, "good", "r-3", 10), partOf(t, "another", "r-3", 10))
	batch[1].request.NewKey = payment.GatewayKey(strings.Repeat("too-long", 100))
	for _, err := range s.beginBatch(batch) {
		require.ErrorIs(t, err, errNotBatched)
	}
	require.Equal(t, int64(10), historyOf(t, s, "another").Payment.RefundReserved)
}

// urlOf returns the URL of the database of a repository.
func urlOf(s *Payments) string {
	return fmt.Sprintf("mysql://%s:%s@%s/%s", s.config.User, s.config.Passwd, s.config.Addr, s.config.DBName)
}

// The UPDATE of many operations is compared with the one that sqlc generates.
func TestSettleBatch_OfOperationsEqualsSingleUpdates(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	begin := func(suffix payment.OrderID) (all []payment.Settlement) {
		for i, id := range []payment.OrderID{"b-2" + suffix, "a-1" + suffix, "c-3" + suffix} {
			chargedOrders(t, s, id)
			for _, name := range []string{"r-1", fmt.Sprint("r-", i+2)} {
				p, _, err := s.Claim(t.Context(), partOf(t, id, name, 10))
				require.NoError(t, err)
				st := approved(*p)
				st.End.TransactionID = fmt.Sprint("refund-", i)
				st.Outcome.TransactionID = st.End.TransactionID
				if name != "r-1" { // which stays in flight
					all = append(all, st)
				}
			}
		}
		return all
	}
	many := begin("")
	requireCount(t, s, map[string]int{"Questions": 1, "Com_update": 1}, func() {
		require.Equal(t, make([]error, 3), s.settleBatch(newSettlements(t, many...)))
	})
	for i, one := range begin("-alone") {
		require.Equal(t, []error{nil}, s.settleBatch(newSettlements(t, one)))
		want, got := historyOf(t, s, one.OrderID), historyOf(t, s, many[i].OrderID)
		require.Len(t, got.Operations, 2)
		require.Equal(t, payment.StateProcessing, got.Operations[0].Payment.State)
		require.Equal(t, sinceStartOfRefund(want.Operations[1]), sinceStartOfRefund(got.Operations[1]))
	}
	lost := many[1]
	lost.Fence--
	for _, err := range s.settleBatch(newSettlements(t, many[0], lost)) {
		require.ErrorIs(t, err, errNotBatched, "each is settled alone")
	}
	require.NoError(t, s.Settle(t.Context(), many[0]), "repeating it is safe")
	require.ErrorIs(t, s.Settle(t.Context(), lost), payment.ErrFenced)
}

func TestOperationsBatch_PlansUseThePrimaryKey(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, otherPlans, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	chargedOrders(t, s, "order-3", "order-4")
	batch := newBegun(partOf(t, "order-3", "r-1", 5), partOf(t, "order-4", "r-2", 6))
	require.Equal(t, make([]error, 2), s.beginBatch(batch))
	settlements := newSettlements(t, approved(batch[0].decision.Payment), approved(batch[1].decision.Payment))
	for table, run := range map[string]func(queries.DBTX) error{
		"payments": func(db queries.DBTX) error {
			return reserve(t.Context(), db, batch, []payment.Payment{{Fence: 1}, {Fence: 2}})
		},
		"operations": func(db queries.DBTX) error {
			_, err := settleMany(t.Context(), db, settlements)
			return err
		},
	} {
		var statement string
		var args []any
		require.ErrorIs(t, run(recorder{&statement, &args}), errRecorded)
		plan, err := s.db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+statement, args...)
		require.NoError(t, err)
		require.Equal(t, "range PRIMARY", accessOf(t, plan, table))
	}
}

// Concurrent refunds of one payment never reserve more than was taken, and those of others are not refused.
func TestBeginBatch_ConcurrentRefundsNeverExceedThePayment(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	s.db.SetMaxOpenConns(8)
	const perOrder = 6 // of which 3 fit
	orders := []payment.OrderID{"order-1", "order-2", "order-3", "order-4"}
	chargedOrders(t, s, orders...)
	var all sync.WaitGroup
	for _, id := range orders {
		for i := range perOrder {
			a := partOf(t, id, fmt.Sprint("r-", i), 3_000)
			all.Go(func() {
				p, verdict, err := s.Claim(t.Context(), a)
				_, refused := errors.AsType[*payment.OperationRefusedError](err)
				switch {
				case err == nil && verdict == payment.VerdictClaimed:
					if err := s.Settle(t.Context(), approved(*p)); err != nil {
						t.Error(err)
					}
				case !refused:
					t.Error(verdict, err)
				}
			})
		}
	}
	all.Wait()
	for _, id := range orders {
		h := historyOf(t, s, id)
		require.Equal(t, int64(9_000), h.Payment.RefundReserved)
		require.Len(t, h.Operations, 3)
		require.Equal(t, 3, h.Payment.Operations)
		requireAllSucceeded(t, h.Operations)
	}
}

func requireAllSucceeded(t *testing.T, operations []ports.History) {
	t.Helper()
	for _, o := range operations {
		require.Equal(t, payment.StateSucceeded, o.Payment.State)
	}
}
