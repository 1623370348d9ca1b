package mysqlstore

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/apikey"
	"paymentd/core/keycache"
	"paymentd/core/payment"
	"paymentd/ports"
)

// onOneConnection returns a repository whose statements all run on one connection.
func onOneConnection(t testing.TB) *Payments {
	t.Helper()
	databaseURL := mysqltest.Prepared(t, func(ctx context.Context, url string) error {
		schema, err := Schema(url)
		if err != nil {
			return err
		}
		return schema.Up(ctx)
	})
	s, err := Open(databaseURL, Options{MaxOpen: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Ready(t.Context()))    // reads the server's kind, once
	_, err = s.Endpoints().Current(t.Context()) // reads the endpoints, as the service does in the background
	require.NoError(t, err)
	return s
}

func request(t testing.TB, id payment.OrderID) payment.ClaimRequest {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.MoneyFromMinor(10_000, usd)
	require.NoError(t, err)
	return payment.ClaimRequest{
		OrderID: id, Money: money, NewKey: payment.GatewayKey("key-of-" + id),
		Replica: "replica-a", Lease: time.Hour, Rules: rules, Worker: micros(time.Now()),
	}
}

// rules are for a gateway that never forgets keys.
var rules = payment.KeyRules{
	Capabilities: payment.Capabilities{
		Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, LookupForgets: true, SavesDeclines: true,
	},
	Late: time.Minute, LookupFirst: time.Minute, LookupMax: time.Hour,
}

func approved(p payment.Payment) payment.Settlement {
	return payment.Settlement{
		ClaimRef: p.ClaimRef(),
		End: &payment.AttemptEnd{
			Result: payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"},
			Took:   1234567891 * time.Nanosecond,
		},
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"},
	}
}

// noCounters is why a test that counts statements does not run on some engines.
const noCounters = "it has no counters of a connection's statements"

// statements returns the server's counters of the connection's statements.
func statements(t *testing.T, s *Payments) map[string]int {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name IN "+
		"('Questions', 'Com_insert', 'Com_update', 'Com_update_multi', 'Com_select', 'Com_begin', 'Com_commit', 'Com_show_status')")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	counts := make(map[string]int)
	for rows.Next() {
		var name string
		var n int
		require.NoError(t, rows.Scan(&name, &n))
		counts[name] = n
	}
	require.NoError(t, rows.Err())
	return counts
}

// requireCount requires that do increments the server's counters by want. On the distributed engines, do
// is called without the comparison: they have no such counters per connection.
func requireCount(t *testing.T, s *Payments, want map[string]int, do func()) {
	t.Helper()
	if mysqltest.TestedEngine() != mysqltest.MySQL {
		do()
		return
	}
	require.Equal(t, want, counted(t, s, do))
}

// counted returns by how much do increments each counter.
func counted(t *testing.T, s *Payments, do func()) map[string]int {
	t.Helper()
	before := statements(t, s)
	do()
	after := statements(t, s)
	after["Questions"] -= after["Com_show_status"] - before["Com_show_status"] // without those of statements()
	delete(after, "Com_show_status")
	for name := range after {
		if after[name] -= before[name]; after[name] == 0 {
			delete(after, name)
		}
	}
	return after
}

// A payment that succeeds at once is two statements, each its own transaction.
func TestStatements_OfASuccess(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	spent := counted(t, s, func() {
		p, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
		require.NoError(t, err)
		require.Equal(t, payment.VerdictClaimed, verdict)
		require.NoError(t, s.Settle(t.Context(), approved(*p)))
	})
	require.Equal(t, map[string]int{"Questions": 2, "Com_insert": 1, "Com_update": 1}, spent)
}

// A refund that succeeds at once is a transaction of three statements, which locks the payment, reserves the amount and
// inserts the refund, and one UPDATE. Setting the isolation level is a statement of its own. Each further refund of the
// payment is looked for before it is inserted.
func TestStatements_OfARefund(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	charge, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(), approved(*charge)))
	for i, name := range []string{"r-1", "r-2"} {
		a := refundRequest(t, "order-1", name)
		a.Money, err = payment.MoneyFromMinor(100, charge.Money.Currency())
		require.NoError(t, err)
		p, spent := spentOnClaim(t, s, a)
		require.Equal(t, map[string]int{
			"Questions": 6 + i, "Com_begin": 1, "Com_select": 1 + i, "Com_insert": 1, "Com_update": 1, "Com_commit": 1,
		}, spent)
		spent = counted(t, s, func() { require.NoError(t, s.Settle(t.Context(), approved(p))) })
		require.Equal(t, map[string]int{"Questions": 1, "Com_update": 1}, spent)
	}
}

// spentOnClaim returns what an operation costs that is claimed.
func spentOnClaim(t *testing.T, s *Payments, a payment.ClaimRequest) (claimed payment.Payment, spent map[string]int) {
	t.Helper()
	spent = counted(t, s, func() {
		p, verdict, err := s.Claim(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictClaimed, verdict)
		claimed = *p
	})
	return claimed, spent
}

// A capture changes its payment again when it succeeds, so that its settlement is a transaction, which locks both.
func TestStatements_OfAHold(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	hold := request(t, "order-1")
	hold.Capture = payment.CaptureManual
	p, spent := spentOnClaim(t, s, hold)
	require.Equal(t, map[string]int{"Questions": 1, "Com_insert": 1}, spent)
	authorized := approved(p)
	authorized.End.Class, authorized.Outcome.State = payment.ClassAuthorized, payment.StateAuthorized
	spent = counted(t, s, func() { require.NoError(t, s.Settle(t.Context(), authorized)) })
	require.Equal(t, map[string]int{"Questions": 5, "Com_begin": 1, "Com_select": 1, "Com_update": 1, "Com_commit": 1}, spent)

	capture := request(t, "order-1")
	capture.Operation, capture.Money, capture.NewKey = payment.OperationID{Kind: payment.KindCapture}, payment.Money{}, "key-2"
	capture.Rules.Operations |= payment.OperationCapture
	p, spent = spentOnClaim(t, s, capture)
	require.Equal(t, map[string]int{
		"Questions": 6, "Com_begin": 1, "Com_select": 1, "Com_insert": 1, "Com_update": 1, "Com_commit": 1,
	}, spent)
	spent = counted(t, s, func() { require.NoError(t, s.Settle(t.Context(), approved(p))) })
	require.Equal(t, map[string]int{"Questions": 7, "Com_begin": 1, "Com_select": 2, "Com_update": 2, "Com_commit": 1}, spent)
	charge, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, payment.StateSucceeded, charge.State)
}

// A success of a refund is settled by the UPDATE, and by the domain under a lock, and all that is stored is compared.
func TestSettle_FastRefundEqualsTheDomain(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	var refunds []payment.Payment
	for _, id := range []payment.OrderID{"at-once", "locked"} {
		charge, _, err := s.Claim(t.Context(), request(t, id))
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), approved(*charge)))
		a := refundRequest(t, id, "r-1")
		a.Lease = 0
		_, _, err = s.Claim(t.Context(), a)
		require.NoError(t, err)
		p, verdict, err := s.Claim(t.Context(), a) // takes over
		require.NoError(t, err)
		require.Equal(t, payment.VerdictClaimed, verdict)
		require.True(t, p.Doubt.Any())
		refunds = append(refunds, *p)
	}
	atOnce, locked := approved(refunds[0]), approved(refunds[1])
	requireCount(t, s, map[string]int{"Questions": 1, "Com_update": 1},
		func() { require.NoError(t, s.Settle(t.Context(), atOnce)) })
	_, err := s.update(t.Context(), newRowUpdate(locked.Ref(), locked.Apply))
	require.NoError(t, err)
	got, want := historyOf(t, s, "at-once").Operations[0], historyOf(t, s, "locked").Operations[0]
	require.Equal(t, sinceStartOfRefund(want), sinceStartOfRefund(got))
	require.NoError(t, s.Settle(t.Context(), atOnce), "repeating it is safe")
	require.Equal(t, got.Payment.UpdatedAt, historyOf(t, s, "at-once").Operations[0].Payment.UpdatedAt)

	for _, state := range []payment.State{payment.StateDeclined, payment.StateFailed} {
		st := atOnce
		st.Outcome = payment.Outcome{State: state}
		_, fast := toFastSettle(st)
		require.False(t, fast, "%s releases the amount", state)
	}
	for _, kind := range []payment.Kind{payment.KindCapture, payment.KindVoid} {
		st := atOnce
		st.Operation = payment.OperationID{Kind: kind}
		_, fast := toFastSettle(st)
		require.False(t, fast, "a %s ends the hold", kind)
	}
}

func sinceStartOfRefund(h ports.History) payment.Payment {
	p := sinceStart(h)
	p.Of.Key = ""
	return p
}

// refundRequest returns a request for a refund of all that is left, at a gateway that refunds.
func refundRequest(t testing.TB, id payment.OrderID, name string) payment.ClaimRequest {
	t.Helper()
	a := request(t, id)
	a.Operation = payment.OperationID{Kind: payment.KindRefund, Name: name}
	a.Money, a.NewKey = payment.Money{}, payment.GatewayKey("key-of-"+string(id)+"-"+name)
	a.Rules.Operations |= payment.OperationRefund
	return a
}

// An idle service sends fewer than 2.5 statements per second: a heartbeat and a query for the API keys
// every 2 s, and a query for the next due time every second. Without an active key, it sends one more
// every 2 s.
func TestStatements_OfAnIdleService(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
	key, _ := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
	require.NoError(t, s.Keys().Create(t.Context(), key))
	const beats = 4 // in 8 s, with half as many queries for the other replicas'
	spent := counted(t, s, func() {
		for i := range beats {
			require.NoError(t, s.Heartbeat(t.Context(), "replica-a"))
			_, err := s.Keys().Active(t.Context())
			require.NoError(t, err)
			if i%2 == 0 {
				_, err := s.Heartbeats(t.Context(), "replica-a")
				require.NoError(t, err)
			}
		}
		_, _, err := s.NextDue(t.Context(), payment.PickUpPolicy{Work: payment.WorkCharges, Rules: rules})
		require.NoError(t, err)
	})
	require.Equal(t, map[string]int{"Questions": 5*beats/2 + 1, "Com_insert": beats, "Com_select": 3*beats/2 + 1}, spent)

	_, err := s.Keys().Revoke(t.Context(), "shop", "ada")
	require.NoError(t, err)
	spent = counted(t, s, func() {
		_, err := s.Keys().Active(t.Context())
		require.NoError(t, err)
	})
	require.Equal(t, map[string]int{"Questions": 2, "Com_select": 2}, spent)
}

// Checking a key sends no statement. Recording the use of all keys is one statement per minute.
func TestStatements_OfAKey(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, noCounters, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	var secrets []string
	var ids []apikey.ID
	for _, name := range []apikey.Name{"shop", "books"} {
		key, secret := apikey.New(name, apikey.Scopes{apikey.ScopePay})
		require.NoError(t, s.Keys().Create(t.Context(), key))
		secrets, ids = append(secrets, secret.Reveal()), append(ids, key.ID)
	}
	settings := keycache.Settings{Static: func() []string { return nil }}
	cache := keycache.New(settings, s.Keys(), slog.New(slog.DiscardHandler))
	require.NoError(t, cache.Load(t.Context()))
	spent := counted(t, s, func() {
		for range 1000 {
			for _, secret := range secrets {
				_, err := cache.Check(secret)
				require.NoError(t, err)
			}
			_, err := cache.Check("wrong")
			require.Error(t, err)
		}
	})
	require.Empty(t, spent)

	spent = counted(t, s, func() { require.NoError(t, s.Keys().NoteUse(t.Context(), ids, time.Minute)) })
	require.Equal(t, map[string]int{"Questions": 1, "Com_update": 1}, spent)
}

// The same payment is settled by the UPDATE, and by the domain under a lock, and all that is stored is
// compared.
func TestSettle_FastEqualsTheDomain(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("жø€漢", payment.MaxMessageBytes)
	for name, change := range map[string]func(*payment.Settlement){
		"approved": func(*payment.Settlement) {},
		"declined": func(st *payment.Settlement) {
			st.End.Result = payment.Result{Class: payment.ClassDeclined, Code: "card declined", Message: long}
			st.Outcome = payment.Outcome{State: payment.StateDeclined, Code: "card declined", Reason: long}
		},
		"failed": func(st *payment.Settlement) {
			st.End.Result = payment.Result{Class: payment.ClassNotCharged, Message: "a\xffb"}
			st.Outcome = payment.Outcome{
				State: payment.StateFailed, Code: payment.CodeRetriesExhausted, Reason: "a\xffb",
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onOneConnection(t)
			held := resumed
			if name == "approved" {
				held = doubtful // a doubt that only an approval ends
			}
			atOnce, locked := held(t, s, payment.OrderID(name+" at once")), held(t, s, payment.OrderID(name))
			settlement := approved(atOnce)
			change(&settlement)
			requireCount(t, s, map[string]int{"Questions": 1, "Com_update": 1},
				func() { require.NoError(t, s.Settle(t.Context(), settlement)) })
			byDomain := settlement
			byDomain.ClaimRef = locked.ClaimRef()
			_, err := s.update(t.Context(), newRowUpdate(byDomain.Ref(), byDomain.Apply))
			require.NoError(t, err)

			got, want := historyOf(t, s, settlement.OrderID), historyOf(t, s, byDomain.OrderID)
			require.Equal(t, sinceStart(want), sinceStart(got))
			d, err := settlement.Apply(atOnce, got.Payment.UpdatedAt)
			require.NoError(t, err)
			require.Equal(t, micros(d.Payment.Attempt.EndedAt), got.Payment.Attempt.EndedAt)
			require.True(t, got.Payment.UpdatedAt.After(atOnce.UpdatedAt))
			require.NoError(t, s.Settle(t.Context(), settlement), "repeating it is safe")
		})
	}
}

// A decline or a failure of a payment in doubt is never settled by the UPDATE. The domain keeps the
// payment unresolved.
func TestSettle_DoubtIsLeftToTheDomain(t *testing.T) {
	t.Parallel()
	for _, state := range []payment.State{payment.StateDeclined, payment.StateFailed} {
		s := onOneConnection(t)
		var ids []payment.OrderID
		var all []payment.Settlement
		for _, id := range []payment.OrderID{"alone", "one", "another"} {
			settlement := approved(doubtful(t, s, id))
			settlement.End.Result = payment.Result{Class: payment.ClassDeclined}
			settlement.Outcome = payment.Outcome{State: state, DueIn: time.Minute}
			ids, all = append(ids, id), append(all, settlement)
		}
		require.NoError(t, s.Settle(t.Context(), all[0]))
		require.Equal(t, []error{errNotBatched, errNotBatched}, s.settleBatch(newSettlements(t, all[1:]...)))
		for i, id := range ids {
			require.NoError(t, s.Settle(t.Context(), all[i]), "repeated, or on its own")
			h := historyOf(t, s, id)
			require.Equal(t, payment.StateUnresolved, h.Payment.State)
			require.True(t, h.Payment.Doubt.Any())
		}
	}
}

// resumed returns a claimed payment after a round whose only attempt was not charged.
func resumed(t *testing.T, s *Payments, id payment.OrderID) payment.Payment {
	t.Helper()
	p, _, err := s.Claim(t.Context(), request(t, id))
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(), payment.Settlement{
		ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateScheduled},
		End: &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassNotCharged}},
	}))
	p, verdict, err := s.Claim(t.Context(), request(t, id))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.False(t, p.Doubt.Any())
	return *p
}

// doubtful returns a claimed payment after a round with an unknown outcome, a lost worker and a lookup.
func doubtful(t *testing.T, s *Payments, id payment.OrderID) payment.Payment {
	t.Helper()
	a := request(t, id)
	a.Lease, a.Deferred = 0, true
	_, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	for _, work := range []payment.Work{payment.WorkCharges, payment.WorkTakeovers} {
		on := payment.PickUpPolicy{Work: work, Replica: "replica-q", Rules: rules, Worker: micros(time.Now())}
		due, err := s.ClaimDue(t.Context(), on, 10)
		require.NoError(t, err)
		require.Len(t, due, 1)
	}
	p, err := s.Find(t.Context(), id)
	require.NoError(t, err)
	require.Positive(t, p.LostWorkers)
	require.True(t, p.Doubt.Any())
	renewal := payment.Renewal{
		ClaimRef: p.ClaimRef(), Next: true, Lease: time.Hour,
		End: payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownAnswered}},
	}
	require.NoError(t, s.Renew(t.Context(), renewal))
	p, err = s.Find(t.Context(), id)
	require.NoError(t, err)
	return p
}

func historyOf(t *testing.T, s *Payments, id payment.OrderID) ports.History {
	t.Helper()
	h, err := s.History(t.Context(), id)
	require.NoError(t, err)
	return h
}

// sinceStart removes the differences between two payments that were settled at different times.
func sinceStart(h ports.History) payment.Payment {
	p := h.Payment
	p.Attempt.EndedAt = time.Time{}.Add(p.Attempt.EndedAt.Sub(p.Attempt.StartedAt))
	p.OrderID, p.GatewayKey, p.Attempt.GatewayKey = "", "", ""
	p.KeySent, p.Doubt = payment.Instant{}, payment.Doubt{Answered: p.Doubt.Any()}
	p.CreatedAt, p.UpdatedAt, p.SeenAt, p.Attempt.StartedAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return p
}

// Every connection has these variables, independent of the server's settings.
func TestSession_Variables(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	for variable, want := range map[string]string{
		"autocommit": "1", "time_zone": "+00:00", "innodb_lock_wait_timeout": "2",
		"lock_wait_timeout": "2", "wait_timeout": "20",
		"sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
	} {
		if mysqltest.TestedEngine() == mysqltest.Vitess && (variable == "lock_wait_timeout" || variable == "wait_timeout") {
			continue // VTGate ignores them; it ends transactions and idle sessions by its own options
		}
		var got string
		require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT @@SESSION."+variable).Scan(&got))
		require.Equal(t, want, got, variable)
	}
}

// The wait for a connection ends with the caller's ctx, and nothing is written.
func TestPayments_NoFreeConnection(t *testing.T) {
	t.Parallel()
	s := onOneConnection(t)
	conn, err := s.db.Conn(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err = s.Claim(ctx, request(t, "order-1"))
	require.ErrorIs(t, err, ports.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the cause is kept")
	require.NoError(t, conn.Close())
	_, err = s.Find(t.Context(), "order-1")
	require.ErrorIs(t, err, ports.ErrNotFound)
}
