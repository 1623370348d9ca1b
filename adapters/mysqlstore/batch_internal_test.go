package mysqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
)

// newClaims returns claims of the orders, each with another amount.
func newClaims(t *testing.T, orders ...payment.OrderID) (batch []*insertClaim) {
	t.Helper()
	for i, id := range orders {
		a := request(t, id)
		var err error
		a.Money, err = payment.MoneyFromMinor(int64(100+i), a.Money.Currency())
		require.NoError(t, err)
		a.Deferred, a.Async = i%2 == 1, i%2 == 1
		batch = append(batch, newInsertClaim(a))
	}
	return batch
}

func newSettlements(t *testing.T, settlements ...payment.Settlement) (batch []*fastSettle) {
	t.Helper()
	for _, st := range settlements {
		row, ok := toFastSettle(st)
		require.True(t, ok)
		batch = append(batch, &fastSettle{settlement: st, row: row})
	}
	return batch
}

// The INSERT of many rows is compared with the one that sqlc generates.
func TestInsertBatch_EqualsSingleInserts(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "a batch of several shards, which the service does not make, has the time of each", mysqltest.Vitess)
	s := onOneConnection(t)
	many := newClaims(t, "b-2", "a-1", "c-3")
	requireCount(t, s, map[string]int{"Questions": 2, "Com_select": 1, "Com_insert": 1},
		func() { require.Equal(t, []error{nil, nil, nil}, s.insertBatch(many)) })
	for i, one := range newClaims(t, "b-2-alone", "a-1-alone", "c-3-alone") {
		require.Equal(t, []error{nil}, s.insertBatch([]*insertClaim{one}))
		require.Equal(t, one.decision.Verdict, many[i].decision.Verdict)
		want, got := historyOf(t, s, one.order()), historyOf(t, s, many[i].order())
		require.Equal(t, sinceCreation(want.Payment), sinceCreation(got.Payment))
		seen := many[i].decision.Payment
		seen.SeenAt = got.Payment.SeenAt
		require.Equal(t, got.Payment, seen, "what the claim returns is what is stored")
	}
}

// The UPDATE of many rows is compared with the one that sqlc generates.
func TestSettleBatch_EqualsSingleUpdates(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	long := strings.Repeat("漢", payment.MaxMessageBytes/3)
	ends := func(suffix payment.OrderID) []payment.Settlement {
		declined := approved(resumed(t, s, "e-2"+suffix))
		declined.End.Result = payment.Result{Class: payment.ClassDeclined, Code: "card_declined", Message: long}
		declined.Outcome = payment.Outcome{State: payment.StateDeclined, Code: "card_declined", Reason: long}
		failed := approved(resumed(t, s, "d-1"+suffix))
		failed.End.Result = payment.Result{Class: payment.ClassNotCharged, Message: `it's "no" \ 100 %`}
		failed.End.Took = 0
		failed.Outcome = payment.Outcome{State: payment.StateFailed, Code: payment.CodeRetriesExhausted, Reason: "?"}
		return []payment.Settlement{declined, approved(doubtful(t, s, "f-3"+suffix)), failed}
	}
	manyRows := ends("")
	requireCount(t, s, map[string]int{"Questions": 1, "Com_update": 1}, func() {
		require.Equal(t, []error{nil, nil, nil}, s.settleBatch(newSettlements(t, manyRows...)))
	})
	for i, one := range ends("-alone") {
		require.Equal(t, []error{nil}, s.settleBatch(newSettlements(t, one)))
		want, got := historyOf(t, s, one.OrderID), historyOf(t, s, manyRows[i].OrderID)
		require.Equal(t, sinceStart(want), sinceStart(got))
		require.True(t, got.Payment.UpdatedAt.After(got.Payment.CreatedAt))
	}
}

// sinceCreation removes the differences between two payments that were created at different times.
func sinceCreation(p payment.Payment) payment.Payment {
	for _, at := range []*time.Time{&p.DueAt, &p.UpdatedAt, &p.Attempt.StartedAt} {
		if !at.IsZero() {
			*at = time.Time{}.Add(at.Sub(p.CreatedAt))
		}
	}
	p.CreatedAt, p.SeenAt, p.KeySent = time.Time{}, time.Time{}, payment.Instant{}
	p.OrderID, p.GatewayKey, p.Attempt.GatewayKey = "", "", ""
	return p
}

func TestInsertBatch_BadClaimDoesNotFailOthers(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	require.Equal(t, []error{nil}, s.insertBatch(newClaims(t, "known")))

	batch := newClaims(t, "new-1", "known", "new-2", "new-1")
	errs := s.insertBatch(batch)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], errNotBatched)
	require.True(t, batch[1].exists)
	require.NoError(t, errs[2])
	require.ErrorIs(t, errs[3], errNotBatched, "the second claim of one order")

	batch = newClaims(t, "new-3", "new-4")
	batch[1].request.NewKey = payment.GatewayKey(strings.Repeat("too-long", 100))
	topology, err := s.known(t.Context())
	require.NoError(t, err)
	for _, err := range s.insertBatch(batch) {
		_, ambiguous := errors.AsType[*ambiguousCommitError](err)
		require.Equal(t, topology.engine.commitsInParts(), ambiguous, err) // each row is then looked at
		require.NotEqual(t, ambiguous, errors.Is(err, errNotBatched), err)
	}
	for i, o := range batch {
		_, _, err := s.Claim(t.Context(), o.request)
		if i == 1 {
			require.ErrorContains(t, err, "Data too long")
			continue
		}
		require.NoError(t, err)
	}
	require.ErrorIs(t, s.insertBatch(newClaims(t, "known", "known"))[1], errNotBatched)
}

func TestSettleBatch_BadSettlementDoesNotFailOthers(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	claimed := make(map[string]payment.Settlement)
	for _, name := range []string{"good", "fenced out", "settled before", "another"} {
		p, _, err := s.Claim(t.Context(), request(t, payment.OrderID(name)))
		require.NoError(t, err)
		claimed[name] = approved(*p)
	}
	require.NoError(t, s.Settle(t.Context(), claimed["settled before"]))
	lost := claimed["fenced out"]
	lost.Fence--

	batch := newSettlements(t, claimed["good"], lost, claimed["settled before"], claimed["another"], claimed["good"])
	errs := s.settleBatch(batch)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], errNotBatched)
	require.NoError(t, errs[2], "repeating it is safe")
	require.NoError(t, errs[3])
	require.ErrorIs(t, errs[4], errNotBatched, "the second settlement of one payment")

	require.ErrorIs(t, s.Settle(t.Context(), lost), payment.ErrFenced)
	require.NoError(t, s.Settle(t.Context(), claimed["good"]))
	for _, name := range []payment.OrderID{"good", "settled before", "another"} {
		p, err := s.Find(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, p.State)
	}
}

func TestSettleBatch_PlanUsesThePrimaryKey(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, otherPlans, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	var statement string
	var args []any
	rows := make([]queries.SettlePaymentParams, 0, 2)
	for _, st := range newSettlements(t, approved(doubtful(t, s, "order-3")), approved(doubtful(t, s, "order-4"))) {
		rows = append(rows, st.row)
	}
	_, err := settlePayments(t.Context(), recorder{&statement, &args}, rows)
	require.ErrorIs(t, err, errRecorded)

	plan, err := s.db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+statement, args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, plan.Close()) }()
	require.Equal(t, "range PRIMARY", accessOf(t, plan, "payments"))
}

// accessOf returns a plan's access type and key for a table.
func accessOf(t *testing.T, plan *sql.Rows, table string) (access string) {
	t.Helper()
	columns, err := plan.Columns()
	require.NoError(t, err)
	for plan.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, plan.Scan(into...))
		row := make(map[string]string)
		for i, name := range columns {
			row[name] = values[i].String
		}
		if row["table"] == table {
			access = fmt.Sprint(row["type"], " ", row["key"])
		}
	}
	require.NoError(t, plan.Err())
	return access
}
