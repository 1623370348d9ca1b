package metrics_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/metrics"
	"paymentd/core/payment"
	"paymentd/ports"
)

// counts is a service with that many waiting requests.
type counts int

func (c counts) Waiting() int          { return int(c) }
func (counts) SharedTransactions() int { return 0 }
func (counts) ForeignPayments() int    { return 0 }

func TestBacklog_Scrape_IsSampled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, wire := fake.NewPayments(), &fake.Wire{}
		m := metrics.New("test")
		m.Sample(wire.Payments(p), counts(7))
		want := series{
			"paymentd_requests_waiting": 7, "paymentd_shared_transactions": 0, "paymentd_foreign_payments": 0, "paymentd_backlog_sampled": 1,
		}
		for _, metric := range []string{"payments", "due_payments", "longest_due_seconds", "oldest_seconds"} {
			for _, operation := range []string{"charge", "capture", "void", "refund"} {
				states := []string{"processing", "scheduled", "pending", "unresolved", "unreadable"}
				if operation == "charge" {
					states = append(states, "authorized") // no other operation holds money
				}
				for _, state := range states {
					want[fmt.Sprintf("paymentd_backlog_%s{operation=%q,state=%q}", metric, operation, state)] = 0
				}
			}
		}
		require.Equal(t, want, sampled(t, m))

		claim(t, p, ask(t, "order-held"))
		later := ask(t, "order-later")
		later.Deferred = true
		claim(t, p, later)
		require.NoError(t, settle(t, p, claim(t, p, ask(t, "order-stuck")), payment.StateUnresolved))
		time.Sleep(4 * time.Second)
		require.Zero(t, sampled(t, m)[`paymentd_backlog_payments{operation="charge",state="processing"}`], "the first look serves on")

		time.Sleep(time.Second)
		for range 3 {
			got := sampled(t, m)
			require.InDelta(t, 1, got[`paymentd_backlog_payments{operation="charge",state="processing"}`], 0)
			require.InDelta(t, 0, got[`paymentd_backlog_due_payments{operation="charge",state="processing"}`], 0)
			require.InDelta(t, 1, got[`paymentd_backlog_due_payments{operation="charge",state="scheduled"}`], 0)
			require.InDelta(t, 5, got[`paymentd_backlog_longest_due_seconds{operation="charge",state="scheduled"}`], 0)
			require.InDelta(t, 5, got[`paymentd_backlog_oldest_seconds{operation="charge",state="unresolved"}`], 0)
		}
		require.InDelta(t, 0, sampled(t, m)[`paymentd_backlog_payments{operation="refund",state="processing"}`], 0)
		require.NoError(t, settle(t, p, claim(t, p, ask(t, "order-refunded")), payment.StateSucceeded))
		claim(t, p, refund(t, "order-refunded"))
		time.Sleep(5 * time.Second)
		got := sampled(t, m)
		require.InDelta(t, 1, got[`paymentd_backlog_payments{operation="refund",state="processing"}`], 0)
		require.InDelta(t, 1, got[`paymentd_backlog_payments{operation="charge",state="processing"}`], 0)
		require.Len(t, wire.Calls(), 3, "questions to the database")
	})
}

// sampled has the metrics that are sampled.
func sampled(t *testing.T, m *metrics.Metrics) series {
	t.Helper()
	s := scrape(t, m).ours()
	bare := scrape(t, metrics.New("test"))
	for name := range s {
		if _, always := bare[name]; always {
			delete(s, name)
		}
	}
	return s
}

// If the database is unavailable or hangs, a scrape has all other metrics.
func TestBacklog_Unreadable_IsOmitted(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fake.Fault{
		"unavailable": fake.FailBefore,
		"hangs": func(ctx context.Context, _ fake.Call, _ func()) error {
			<-ctx.Done()
			return ports.ErrUnavailable
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				wire := &fake.Wire{Fault: func(fake.Call) fake.Fault { return fault }}
				m := metrics.New("test")
				m.Sample(wire.Payments(fake.NewPayments()), counts(0))
				began := time.Now()
				require.Equal(t, series{
					"paymentd_requests_waiting": 0, "paymentd_shared_transactions": 0, "paymentd_foreign_payments": 0, "paymentd_backlog_sampled": 0,
				}, sampled(t, m))
				require.LessOrEqual(t, time.Since(began), 2*time.Second)
			})
		})
	}
}

// pooled is a repository with connections.
type pooled struct{ ports.Payments }

func (pooled) Pools() map[string]sql.DBStats {
	return map[string]sql.DBStats{"mysql": {
		MaxOpenConnections: 32, InUse: 3, Idle: 5, WaitCount: 11, WaitDuration: 1500 * time.Millisecond,
	}}
}

func TestPools_Scrape_IsSampled(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	m.Sample(pooled{fake.NewPayments()}, counts(0))
	s := scrape(t, m)
	for name, want := range (series{
		`paymentd_database_connections{pool="mysql",state="in_use"}`:    3,
		`paymentd_database_connections{pool="mysql",state="idle"}`:      5,
		`paymentd_database_connections_max{pool="mysql"}`:               32,
		`paymentd_database_connection_waits_total{pool="mysql"}`:        11,
		`paymentd_database_connection_wait_seconds_total{pool="mysql"}`: 1.5,
	}) {
		require.InDelta(t, want, s[name], 0, name)
	}
}
