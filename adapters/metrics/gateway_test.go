package metrics_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/metrics"
	"paymentd/core/payment"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

// fixed is a gateway with a fixed result.
type fixed struct {
	ports.Gateway

	result payment.Result
	lookup payment.Lookup
}

func (g fixed) Charge(context.Context, payment.Charge) payment.Result    { return g.result }
func (g fixed) LookUp(context.Context, payment.ChargeRef) payment.Lookup { return g.lookup }

func TestGateway_Calls_AreCounted(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	m.Gateway("bank", fixed{})
	before := scrape(t, m)
	for _, r := range []payment.Result{
		{Class: payment.ClassApproved, TransactionID: "txn-1"},
		{Class: payment.ClassApproved}, // not valid, so the core treats it as unknown
		{Class: payment.ClassDeclined},
		{Class: payment.ClassRejected},
		{Class: payment.ClassNotCharged},
		{Class: payment.ClassUnknownAnswered},
		{Class: payment.ClassUnknownUnanswered},
		{Class: payment.ClassPending},
		{Class: payment.ClassKeyReused},
		{Class: "a class of the future"},
	} {
		m.Gateway("bank", fixed{result: r}).Charge(t.Context(), payment.Charge{})
	}
	for _, l := range []payment.Lookup{
		{Result: payment.FoundApproved, TransactionID: "txn-1"},
		{Result: payment.FoundApproved},
		{Result: payment.FoundDeclined},
		{Result: payment.FoundProcessing},
		{Result: payment.FoundNothing},
		{Result: payment.FoundPending},
		{Result: payment.FoundVoided},
		{Result: payment.FoundNoAnswer},
		{Result: "a finding of the future"},
	} {
		m.Gateway("bank", fixed{lookup: l}).LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
	}
	refund := payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}
	m.Gateway("bank", fixed{result: payment.Result{Class: payment.ClassDeclined}}).Charge(t.Context(), payment.Charge{Operation: refund})
	m.Gateway("bank", fixed{lookup: payment.Lookup{Result: payment.FoundReturned}}).LookUp(t.Context(), payment.ChargeRef{Operation: refund})
	require.Equal(t, map[string]int{
		`paymentd_attempt_duration_seconds_count{class="declined",gateway="bank",operation="refund"}`:           1,
		`paymentd_lookup_duration_seconds_count{finding="returned",gateway="bank",operation="refund"}`:          1,
		`paymentd_attempt_duration_seconds_count{class="approved",gateway="bank",operation="charge"}`:           1,
		`paymentd_attempt_duration_seconds_count{class="declined",gateway="bank",operation="charge"}`:           1,
		`paymentd_attempt_duration_seconds_count{class="rejected",gateway="bank",operation="charge"}`:           1,
		`paymentd_attempt_duration_seconds_count{class="not_charged",gateway="bank",operation="charge"}`:        1,
		`paymentd_attempt_duration_seconds_count{class="unknown_answered",gateway="bank",operation="charge"}`:   2,
		`paymentd_attempt_duration_seconds_count{class="unknown_unanswered",gateway="bank",operation="charge"}`: 1,
		`paymentd_attempt_duration_seconds_count{class="pending",gateway="bank",operation="charge"}`:            1,
		`paymentd_attempt_duration_seconds_count{class="key_reused",gateway="bank",operation="charge"}`:         1,
		`paymentd_attempt_duration_seconds_count{class="other",gateway="bank",operation="charge"}`:              1,
		`paymentd_lookup_duration_seconds_count{finding="approved",gateway="bank",operation="charge"}`:          1,
		`paymentd_lookup_duration_seconds_count{finding="declined",gateway="bank",operation="charge"}`:          1,
		`paymentd_lookup_duration_seconds_count{finding="processing",gateway="bank",operation="charge"}`:        1,
		`paymentd_lookup_duration_seconds_count{finding="nothing",gateway="bank",operation="charge"}`:           1,
		`paymentd_lookup_duration_seconds_count{finding="no_answer",gateway="bank",operation="charge"}`:         2,
		`paymentd_lookup_duration_seconds_count{finding="pending",gateway="bank",operation="charge"}`:           1,
		`paymentd_lookup_duration_seconds_count{finding="voided",gateway="bank",operation="charge"}`:            1,
		`paymentd_lookup_duration_seconds_count{finding="other",gateway="bank",operation="charge"}`:             1,
	}, scrape(t, m).changed(before))
}

// A counted gateway keeps the contract.
func TestGateway_Contract(t *testing.T) {
	t.Parallel()
	portstest.Gateway(t, func(t testing.TB) portstest.GatewayUnderTest {
		t.Helper()
		declined := money(t, "402.00")
		gateway := fake.NewGateway()
		gateway.OnCharge(func(c payment.Charge) fake.Step {
			if c.Money == declined {
				return fake.Decline("card_declined")
			}
			return fake.Approve()
		})
		return portstest.GatewayUnderTest{
			Gateway:  metrics.New("test").Gateway("bank", gateway),
			Approved: money(t, "100.00"), Declined: declined, Charges: gateway.ChargesWith,
		}
	})
}

// The metrics of two gateways do not affect each other.
func TestGuard_IsSampled(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	m.Guard("bank", protection{retryIn: time.Second, inFlight: 3, limit: 10})
	m.Guard("other", protection{limit: 20})
	found := scrape(t, m)
	for series, value := range map[string]int{
		`paymentd_gateway_breaker_open{gateway="bank"}`:        1,
		`paymentd_gateway_breaker_open{gateway="other"}`:       0,
		`paymentd_gateway_attempts_in_flight{gateway="bank"}`:  3,
		`paymentd_gateway_attempts_in_flight{gateway="other"}`: 0,
		`paymentd_gateway_attempts_limit{gateway="bank"}`:      10,
		`paymentd_gateway_attempts_limit{gateway="other"}`:     20,
	} {
		require.InDelta(t, value, found[series], 0, series)
	}
}

type protection struct {
	retryIn         time.Duration
	inFlight, limit int
}

func (p protection) RetryIn() time.Duration { return p.retryIn }
func (p protection) InFlight() int          { return p.inFlight }
func (p protection) MaxConcurrent() int     { return p.limit }
