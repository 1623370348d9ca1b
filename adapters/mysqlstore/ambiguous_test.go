package mysqlstore_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/payment"
	"paymentd/ports"
)

// lease is longer than a test.
const lease = time.Hour

// commit is a whole COMMIT statement on the wire, unlike READ COMMITTED.
const commit = "\x03COMMIT"

func request(t testing.TB, id payment.OrderID) payment.ClaimRequest {
	t.Helper()
	return payment.ClaimRequest{
		OrderID: id, Money: dollars(t), NewKey: payment.GatewayKey("key-of-" + id),
		Replica: "replica-a", Lease: lease, Rules: rules, Worker: time.Now(),
	}
}

func dollars(t testing.TB) payment.Money {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.MoneyFromMinor(10_000, usd)
	require.NoError(t, err)
	return money
}

// approved settles the claim on p.
func approved(p payment.Payment) payment.Settlement {
	return payment.Settlement{
		ClaimRef: p.ClaimRef(),
		End: &payment.AttemptEnd{
			Result: payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"},
			Took:   time.Second,
		},
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"},
	}
}

func unresolved(p payment.Payment) payment.Settlement {
	return payment.Settlement{
		ClaimRef: p.ClaimRef(),
		End:      &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownUnanswered}},
		Outcome:  payment.Outcome{State: payment.StateUnresolved, Reason: "the outcome is unknown"},
	}
}

// policy is the policy of one kind of work.
func policy(work payment.Work) payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Work: work, Replica: "replica-q", Lease: lease, Rules: rules, Worker: time.Now(),
		NewKey: func() payment.GatewayKey { return "key-of-the-queue" },
	}
}

// rules are for a gateway that never forgets keys.
var rules = payment.KeyRules{
	Capabilities: payment.Capabilities{
		Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, LookupForgets: true, SavesDeclines: true,
	},
	Late: time.Minute, LookupFirst: time.Minute, LookupMax: time.Hour,
}

// change is a change of one payment, order-1, during which the link is cut.
type change struct {
	statement string // at which the link is cut
	begin     func(t *testing.T, s *mysqlstore.Payments)
	make      func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error
	// done checks that the change was made once.
	done func(t *testing.T, h ports.History)
}

func (m mode) changes() map[string]change {
	all := claimChanges()
	maps.Copy(all, m.settleChanges())
	maps.Copy(all, operatorChanges())
	maps.Copy(all, refundChanges())
	return all
}

// claimChanges begin or continue work on a payment.
func claimChanges() map[string]change {
	return map[string]change{
		"a new claim": {
			statement: "INSERT INTO payments",
			begin:     func(*testing.T, *mysqlstore.Payments) {},
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				p, verdict, err := s.Claim(ctx, request(t, "order-1"))
				if err == nil {
					require.Equal(t, payment.VerdictClaimed, verdict, "its own claim, and not busy")
					require.Equal(t, int64(1), p.Fence)
				}
				return err
			},
			done: func(t *testing.T, h ports.History) {
				t.Helper()
				require.Equal(t, int64(1), h.Payment.Fence)
				require.Len(t, h.Attempts, 1)
			},
		},
		"a takeover": {
			statement: commit,
			begin:     claimedAndExpired,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				p, verdict, err := s.Claim(ctx, request(t, "order-1"))
				if err == nil {
					require.Equal(t, payment.VerdictClaimed, verdict, "its own claim, and not busy")
					require.Equal(t, int64(2), p.Fence)
				}
				return err
			},
			done: requireFence2,
		},
		"a pick-up by the queue": {
			statement: commit,
			begin:     claimedAndExpired,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				due, err := s.ClaimDue(ctx, policy(payment.WorkTakeovers), 10)
				if err == nil {
					require.Len(t, due, 1, "its own claim")
					require.Equal(t, int64(2), due[0].Payment.Fence)
				}
				return err
			},
			done: requireFence2,
		},
		"a renewal": {
			statement: commit,
			begin:     claimed,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				return s.Renew(ctx, payment.Renewal{
					ClaimRef: payment.ClaimRef{OrderID: "order-1", Fence: 1, State: payment.StateProcessing, Attempt: 1},
					End:      payment.AttemptEnd{Result: payment.Result{Class: payment.ClassNotCharged}},
					Next:     true, Lease: lease,
				})
			},
			done: func(t *testing.T, h ports.History) {
				t.Helper()
				require.Equal(t, int64(1), h.Payment.Fence)
				require.Len(t, h.Attempts, 2)
			},
		},
	}
}

// settleChanges record an outcome.
func (m mode) settleChanges() map[string]change {
	return map[string]change{
		"a settlement at once": {
			statement: m.settles,
			begin:     claimed,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				p, err := s.Find(t.Context(), "order-1")
				require.NoError(t, err)
				return s.Settle(ctx, approved(p))
			},
			done: func(t *testing.T, h ports.History) {
				t.Helper()
				require.Equal(t, payment.StateSucceeded, h.Payment.State)
				require.Len(t, h.Attempts, 1)
			},
		},
		"a settlement with an event": {
			statement: commit,
			begin:     claimed,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				p, err := s.Find(t.Context(), "order-1")
				require.NoError(t, err)
				settlement := approved(p)
				settlement.Event = payment.EventReconciled
				return s.Settle(ctx, settlement)
			},
			done: func(t *testing.T, h ports.History) {
				t.Helper()
				require.Equal(t, payment.StateSucceeded, h.Payment.State)
				require.Len(t, h.Events, 1)
			},
		},
	}
}

// operatorChanges are those of a person.
func operatorChanges() map[string]change {
	return map[string]change{
		"a resolution": {
			statement: commit,
			begin: func(t *testing.T, s *mysqlstore.Payments) {
				t.Helper()
				p, _, err := s.Claim(t.Context(), request(t, "order-1"))
				require.NoError(t, err)
				require.NoError(t, s.Settle(t.Context(), unresolved(*p)))
			},
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				return s.Resolve(ctx, payment.Resolution{
					OrderID: "order-1", By: "ada",
					Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"},
				})
			},
			done: func(t *testing.T, h ports.History) {
				t.Helper()
				require.Equal(t, payment.StateSucceeded, h.Payment.State)
				require.Len(t, h.Events, 1)
			},
		},
		"an import for a new order":     imported(func(*testing.T, *mysqlstore.Payments) {}),
		"an import for a claimed order": imported(claimed),
	}
}

func imported(begin func(*testing.T, *mysqlstore.Payments)) change {
	return change{
		statement: commit,
		begin:     begin,
		make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
			t.Helper()
			a := request(t, "order-1")
			_, err := s.Import(ctx, payment.Import{
				Charge:        payment.Charge{Key: "key-of-the-gateway", OrderID: a.OrderID, Money: a.Money},
				TransactionID: "txn-1", By: "ada", Overwrite: true,
			})
			return err
		},
		done: func(t *testing.T, h ports.History) {
			t.Helper()
			require.Equal(t, payment.StateSucceeded, h.Payment.State)
			require.Equal(t, payment.GatewayKey("key-of-the-gateway"), h.Payment.GatewayKey)
			require.Len(t, h.Events, 1)
		},
	}
}

func claimedAndExpired(t *testing.T, s *mysqlstore.Payments) {
	t.Helper()
	a := request(t, "order-1")
	a.Lease = 0
	_, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
}

func claimed(t *testing.T, s *mysqlstore.Payments) {
	t.Helper()
	_, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
}

func requireFence2(t *testing.T, h ports.History) {
	t.Helper()
	require.Equal(t, int64(2), h.Payment.Fence)
	require.Len(t, h.Attempts, 2)
	require.Len(t, h.Events, 1)
}

// eachChange runs a test for each change, in each mode.
func eachChange(t *testing.T, test func(*testing.T, mode, change)) {
	t.Helper()
	for _, m := range modes {
		for name, c := range m.changes() {
			t.Run(m.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				test(t, m, c)
			})
		}
	}
}

// The connection is cut while a change is in flight. The change is made once, and the caller gets its
// result.
func TestPayments_LostAnswerIsRetried(t *testing.T) {
	t.Parallel()
	eachChange(t, func(t *testing.T, m mode, c change) {
		t.Helper()
		for name, p := range map[string]plan{
			"the answer is lost":    {statement: c.statement},
			"the statement is lost": {statement: c.statement, loseStatement: true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				url := migrated(t)
				l, linked := newLink(t, url)
				s := m.open(t, linked)
				c.begin(t, s)
				l.cutAt(p)
				require.NoError(t, c.make(t.Context(), t, s))
				require.True(t, l.wasCut())
				requireDone(t, url, c)
			})
		}
	})
}

// The connection is cut while a change is in flight, and the server stays unreachable. The change is in
// doubt, and a repetition finds out its outcome when the server is back.
func TestPayments_LostServerIsInDoubt(t *testing.T) {
	t.Parallel()
	eachChange(t, func(t *testing.T, m mode, c change) {
		t.Helper()
		for _, carriedOut := range []bool{true, false} {
			t.Run(fmt.Sprint("executed ", carriedOut), func(t *testing.T) {
				t.Parallel()
				url := migrated(t)
				l, linked := newLink(t, url)
				s := m.open(t, linked)
				c.begin(t, s)
				l.cutAt(plan{statement: c.statement, loseStatement: !carriedOut, forGood: true})
				require.ErrorIs(t, c.make(t.Context(), t, s), ports.ErrInDoubt)
				_, err := s.Find(t.Context(), "order-1")
				require.ErrorIs(t, err, ports.ErrUnavailable)
				require.NotErrorIs(t, err, ports.ErrInDoubt)

				direct := open(t, url, mysqlstore.Options{})
				h, err := direct.History(t.Context(), "order-1")
				if carriedOut {
					require.NoError(t, err)
					c.done(t, h)
					return
				}
				l.cutAt(plan{}) // the server is back
				require.NoError(t, c.make(t.Context(), t, s))
				requireDone(t, url, c)
			})
		}
	})
}

// The answer to a takeover is lost, and another request writes the same row before the retry. The retry
// still finds its own claim.
func TestClaim_LostAnswerThenAnotherWrite(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	l, linked := newLink(t, databaseURL)
	s, other := open(t, linked, mysqlstore.Options{}), open(t, databaseURL, mysqlstore.Options{})
	takeover := shared.changes()["a takeover"]
	takeover.begin(t, s)
	wrong := request(t, "order-1")
	euro, err := payment.ParseCurrency("EUR")
	require.NoError(t, err)
	wrong.Money, err = payment.MoneyFromMinor(1, euro)
	require.NoError(t, err)

	refused := make(chan error, 1)
	l.cutAt(plan{statement: commit, after: func() {
		_, _, err := other.Claim(t.Context(), wrong)
		refused <- err
	}})
	require.NoError(t, takeover.make(t.Context(), t, s))
	require.NoError(t, <-refused)
	h, err := s.History(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, int64(2), h.Payment.Fence)
	require.Len(t, h.Events, 2)
	require.Equal(t, payment.EventRefused, h.Events[1].Kind)
}

// A statement reaches the server after its sender has given up and repeated the change.
func TestPayments_LateStatementHasNoEffect(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		for _, name := range []string{"a new claim", "a settlement at once"} {
			c := m.changes()[name]
			t.Run(m.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				url := migrated(t)
				l, linked := newLink(t, url)
				s := m.open(t, linked)
				c.begin(t, s)
				p := plan{statement: c.statement, late: make(chan struct{}), delivered: make(chan struct{})}
				l.cutAt(p)
				require.NoError(t, c.make(t.Context(), t, s))
				before, err := s.History(t.Context(), "order-1")
				require.NoError(t, err)
				require.True(t, l.wasCut(), "the statement has another text")
				close(p.late)
				<-p.delivered
				requireDone(t, url, c)
				after, err := open(t, url, mysqlstore.Options{}).History(t.Context(), "order-1")
				require.NoError(t, err)
				after.Payment.SeenAt = before.Payment.SeenAt
				require.Equal(t, before, after)
			})
		}
	}
}

func TestPayments_CancelledChangeIsCompleted(t *testing.T) {
	t.Parallel()
	eachChange(t, func(t *testing.T, m mode, c change) {
		t.Helper()
		url := migrated(t)
		l, linked := newLink(t, url)
		s := m.open(t, linked)
		c.begin(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l.cutAt(plan{statement: c.statement, only: cancel})
		require.NoError(t, c.make(ctx, t, s))
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		requireDone(t, url, c)
	})
}

func requireDone(t *testing.T, url string, c change) {
	t.Helper()
	h, err := open(t, url, mysqlstore.Options{}).History(t.Context(), "order-1")
	require.NoError(t, err)
	c.done(t, h)
}
