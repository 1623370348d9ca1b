package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/metrics"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

func money(t testing.TB, amount string) payment.Money {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, usd)
	require.NoError(t, err)
	return m
}

func ask(t *testing.T, id payment.OrderID) payment.ClaimRequest {
	t.Helper()
	return payment.ClaimRequest{
		OrderID: id, Money: money(t, "100.00"), NewKey: payment.GatewayKey("key of " + id),
		Replica: "replica-a", Lease: time.Hour, Rules: rules, Worker: time.Now(),
	}
}

// terms are the policy of one kind of work.
func terms(work payment.Work) payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Work: work, Replica: "replica-q", Lease: time.Hour, Rules: rules, Worker: time.Now(),
		NewKey: func() payment.GatewayKey { return "key-of-the-queue" },
	}
}

// rules are those of a gateway that honours keys forever.
var rules = payment.KeyRules{
	Capabilities: payment.Capabilities{
		Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: 24 * time.Hour,
		LookupForgets: true, SavesDeclines: true,
	},
	Late: time.Minute, LookupFirst: time.Second, LookupMax: time.Minute,
}

func claim(t *testing.T, p ports.Payments, a payment.ClaimRequest) payment.Payment {
	t.Helper()
	claimed, _, err := p.Claim(t.Context(), a)
	require.NoError(t, err)
	return *claimed
}

// lookup is the answer to a lookup of the key of a claimed payment.
func lookup(held payment.Payment, found payment.LookupResult) payment.LookupRecord {
	now := time.Now()
	return payment.LookupRecord{
		ClaimRef: held.ClaimRef(), Key: held.GatewayKey, Rules: rules, Worker: now,
		Sent: payment.Instant{DB: held.CreatedAt, Worker: now}, Result: payment.Lookup{Result: found, TransactionID: "txn-1"},
	}
}

func settle(t *testing.T, p ports.Payments, held payment.Payment, state payment.State) error {
	t.Helper()
	st := payment.Settlement{
		ClaimRef: held.ClaimRef(),
		End:      &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownAnswered}},
		Outcome:  payment.Outcome{State: state, TransactionID: "txn-1"},
	}
	return p.Settle(t.Context(), st)
}

// A counted repository keeps the contract.
func TestPayments_Contract(t *testing.T) {
	t.Parallel()
	portstest.Payments(t, func(testing.TB) ports.Payments {
		return metrics.New("test").Payments(fake.NewPayments())
	})
}

// countedCalls are calls of a repository, and the counters that they change.
var countedCalls = map[string]struct {
	happens func(t *testing.T, p ports.Payments)
	want    map[string]int
}{
	"a payment that succeeds": {
		func(t *testing.T, p ports.Payments) {
			t.Helper()
			require.NoError(t, settle(t, p, claim(t, p, ask(t, "order-1")), payment.StateSucceeded))
		},
		map[string]int{
			`paymentd_claims_total{verdict="claimed"}`:            1,
			`paymentd_claim_duration_seconds_count{by="request"}`: 1,
			`paymentd_settle_duration_seconds_count`:              1,
			`paymentd_payments_total{outcome="succeeded"}`:        1,
		},
	},
	"a replay and a mismatch": {
		func(t *testing.T, p ports.Payments) {
			t.Helper()
			require.NoError(t, settle(t, p, claim(t, p, ask(t, "order-1")), payment.StateSucceeded))
			claim(t, p, ask(t, "order-1"))
			other := ask(t, "order-1")
			other.Money = money(t, "1.00")
			claim(t, p, other)
		},
		map[string]int{
			`paymentd_claims_total{verdict="claimed"}`:            1,
			`paymentd_claims_total{verdict="replay"}`:             1,
			`paymentd_claims_total{verdict="mismatch"}`:           1,
			`paymentd_claim_duration_seconds_count{by="request"}`: 3,
			`paymentd_settle_duration_seconds_count`:              1,
			`paymentd_payments_total{outcome="succeeded"}`:        1,
		},
	},
	"a takeover by a request, and the silent worker's return": {
		func(t *testing.T, p ports.Payments) {
			t.Helper()
			a := ask(t, "order-1")
			a.Lease = 0
			silent := claim(t, p, a)
			claim(t, p, ask(t, "order-1"))
			require.ErrorIs(t, settle(t, p, silent, payment.StateSucceeded), payment.ErrFenced)
			require.ErrorIs(t, p.Renew(t.Context(), payment.Renewal{ClaimRef: silent.ClaimRef()}), payment.ErrFenced)
		},
		map[string]int{
			`paymentd_claims_total{verdict="claimed"}`:            2,
			`paymentd_takeovers_total`:                            1,
			`paymentd_claim_duration_seconds_count{by="request"}`: 2,
			`paymentd_settle_duration_seconds_count`:              1,
			`paymentd_renew_duration_seconds_count`:               1,
			`paymentd_fenced_out_total{write="settle"}`:           1,
			`paymentd_fenced_out_total{write="renew"}`:            1,
		},
	},
	"a takeover by the queue": {
		func(t *testing.T, p ports.Payments) {
			t.Helper()
			a := ask(t, "order-1")
			a.Lease = 0
			claim(t, p, a)
			due, err := p.ClaimDue(t.Context(), terms(payment.WorkTakeovers), 10)
			require.NoError(t, err)
			require.Len(t, due, 1)
			require.NoError(t, settle(t, p, due[0].Payment, payment.StateUnresolved))
		},
		map[string]int{
			`paymentd_claims_total{verdict="claimed"}`:            2,
			`paymentd_takeovers_total`:                            1,
			`paymentd_claim_duration_seconds_count{by="request"}`: 1,
			`paymentd_claim_duration_seconds_count{by="queue"}`:   1,
			`paymentd_settle_duration_seconds_count`:              1,
			`paymentd_payments_total{outcome="unresolved"}`:       1,
		},
	},
	"an approval whose claim is lost, recorded twice, and a second charge": {
		func(t *testing.T, p ports.Payments) {
			t.Helper()
			held := claim(t, p, ask(t, "order-1"))
			for _, transaction := range []string{"txn-1", "txn-1", "txn-2"} {
				_, _, err := p.RecordApproval(t.Context(), payment.Approval{
					OrderID: "order-1", Key: held.GatewayKey, TransactionID: transaction, By: "a", Rules: rules,
				})
				require.NoError(t, err)
			}
			_, _, err := p.RecordLookup(t.Context(), lookup(held, payment.FoundNothing))
			require.ErrorIs(t, err, payment.ErrFenced)
		},
		map[string]int{
			`paymentd_claims_total{verdict="claimed"}`:                       1,
			`paymentd_claim_duration_seconds_count{by="request"}`:            1,
			`paymentd_evidence_total{operation="charge",verdict="evidence"}`: 1,
			`paymentd_evidence_total{operation="charge",verdict="double"}`:   1,
			`paymentd_evidence_duration_seconds_count{write="approval"}`:     3,
			`paymentd_evidence_duration_seconds_count{write="lookup"}`:       1,
			`paymentd_fenced_out_total{write="lookup"}`:                      1,
		},
	},
	"a lookup that settles, and one of a forgotten key": {
		func(t *testing.T, p ports.Payments) {
			t.Helper()
			held := claim(t, p, ask(t, "order-1"))
			_, _, err := p.RecordLookup(t.Context(), lookup(held, payment.FoundApproved))
			require.NoError(t, err)
			old := lookup(claim(t, p, ask(t, "order-2")), payment.FoundNothing)
			old.Sent = payment.Instant{DB: old.Sent.DB.Add(48 * time.Hour), Worker: old.Sent.Worker.Add(48 * time.Hour)}
			old.End = &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownAnswered}}
			_, _, err = p.RecordLookup(t.Context(), old)
			require.NoError(t, err)
		},
		map[string]int{
			`paymentd_claims_total{verdict="claimed"}`:                 2,
			`paymentd_claim_duration_seconds_count{by="request"}`:      2,
			`paymentd_payments_total{outcome="succeeded"}`:             1,
			`paymentd_payments_total{outcome="unresolved"}`:            1,
			`paymentd_lookups_forgotten_total`:                         1,
			`paymentd_evidence_duration_seconds_count{write="lookup"}`: 2,
		},
	},
}

// refund asks for 25.00 of the order.
func refund(t *testing.T, id payment.OrderID) payment.ClaimRequest {
	t.Helper()
	a := ask(t, id)
	a.Operation, a.Money = payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}, money(t, "25.00")
	a.NewKey = "refund key of " + payment.GatewayKey(id)
	a.Rules.Operations = payment.OperationRefund
	return a
}

// A refund has outcomes and evidence of its own. A refusal of one is no failure of the database.
func TestPayments_Refunds_AreCountedApart(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	p := m.Payments(fake.NewPayments())
	charge := claim(t, p, ask(t, "order-1"))
	_, _, err := p.Claim(t.Context(), refund(t, "order-1"))
	require.ErrorIs(t, err, payment.ErrChargeOpen)
	_, _, err = p.Claim(t.Context(), refund(t, "order-2"))
	require.ErrorIs(t, err, ports.ErrNotFound)
	_, err = p.FindOperation(t.Context(), payment.Ref{OrderID: "order-1", Operation: refund(t, "order-1").Operation})
	require.ErrorIs(t, err, ports.ErrNotFound)
	require.NoError(t, settle(t, p, charge, payment.StateSucceeded))
	before := scrape(t, m)

	excess := refund(t, "order-1")
	excess.Money = money(t, "100.01")
	_, _, err = p.Claim(t.Context(), excess)
	require.ErrorContains(t, err, "exceeds what is left")
	held := claim(t, p, refund(t, "order-1"))
	require.NoError(t, settle(t, p, held, payment.StateSucceeded))
	_, _, err = p.RecordApproval(t.Context(), payment.Approval{
		OrderID: "order-1", Operation: held.Operation, Key: held.GatewayKey, TransactionID: "txn-2", By: "a", Rules: rules,
	})
	require.NoError(t, err)
	for range 2 {
		_, _, err = p.RecordLookup(t.Context(), lookup(held, payment.FoundReturned))
		require.NoError(t, err)
	}
	changed := scrape(t, m).changed(before)
	maps.DeleteFunc(changed, func(name string, _ int) bool { return strings.Contains(name, "duration") })
	require.Equal(t, map[string]int{
		`paymentd_claims_total{verdict="claimed"}`:                          1,
		`paymentd_operations_total{operation="refund",outcome="succeeded"}`: 1,
		`paymentd_evidence_total{operation="refund",verdict="double"}`:      1,
		`paymentd_refunds_returned_total`:                                   1,
	}, changed)
	for name, n := range scrape(t, m) {
		require.False(t, strings.HasPrefix(name, "paymentd_database_errors_total") && n != 0, name)
	}
}

func TestPayments_Calls_AreCounted(t *testing.T) {
	t.Parallel()
	for name, tt := range countedCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := metrics.New("test")
			p := m.Payments(fake.NewPayments())
			before := scrape(t, m)
			tt.happens(t, p)
			require.Equal(t, tt.want, scrape(t, m).changed(before))
		})
	}
}

// Failures of the database are counted, and cancelled calls are not.
func TestPayments_DatabaseErrors_AreCounted(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]map[string]int{
		fmt.Errorf("x: %w", ports.ErrUnavailable): {`paymentd_database_errors_total{error="unavailable"}`: 8},
		fmt.Errorf("x: %w", ports.ErrInDoubt):     {`paymentd_database_errors_total{error="in_doubt"}`: 8},
		errors.New("a column is missing"):         {`paymentd_database_errors_total{error="other"}`: 8},
		context.Canceled:                          {},
	} {
		t.Run(err.Error(), func(t *testing.T) {
			t.Parallel()
			m := metrics.New("test")
			wire := &fake.Wire{Fault: func(fake.Call) fake.Fault {
				return func(context.Context, fake.Call, func()) error { return err }
			}}
			p := m.Payments(wire.Payments(fake.NewPayments()))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if errors.Is(err, context.Canceled) {
				cancel()
			}
			before := scrape(t, m)
			_, _, claimed := p.Claim(ctx, ask(t, "order-1"))
			_, due := p.ClaimDue(ctx, terms(payment.WorkCharges), 1)
			_, _, next := p.NextDue(ctx, terms(payment.WorkCharges))
			_, found := p.Find(ctx, "order-1")
			_, _, lookup := p.RecordLookup(ctx, payment.LookupRecord{})
			_, _, approval := p.RecordApproval(ctx, payment.Approval{})
			for _, got := range []error{
				claimed, due, next, found, lookup, approval, p.Renew(ctx, payment.Renewal{}), p.Settle(ctx, payment.Settlement{}),
			} {
				require.ErrorIs(t, got, err)
			}
			up := scrape(t, m).changed(before)
			maps.DeleteFunc(up, func(name string, _ int) bool { return strings.Contains(name, "duration") })
			require.Equal(t, want, up)
		})
	}
}

// still is a repository that does nothing.
type still struct {
	ports.Payments

	claimed *payment.Payment // by each claim
}

func (s still) Claim(context.Context, payment.ClaimRequest) (*payment.Payment, payment.Verdict, error) {
	return s.claimed, payment.VerdictClaimed, nil
}

func (still) Settle(context.Context, payment.Settlement) error { return nil }
