package metrics_test

import (
	"context"
	"testing"

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
		m.Gateway(fixed{result: r}).Charge(t.Context(), payment.Charge{})
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
		m.Gateway(fixed{lookup: l}).LookUp(t.Context(), payment.ChargeRef{Key: "key-1"})
	}
	require.Equal(t, map[string]int{
		`paymentd_attempt_duration_seconds_count{class="approved"}`:           1,
		`paymentd_attempt_duration_seconds_count{class="declined"}`:           1,
		`paymentd_attempt_duration_seconds_count{class="rejected"}`:           1,
		`paymentd_attempt_duration_seconds_count{class="not_charged"}`:        1,
		`paymentd_attempt_duration_seconds_count{class="unknown_answered"}`:   2,
		`paymentd_attempt_duration_seconds_count{class="unknown_unanswered"}`: 1,
		`paymentd_attempt_duration_seconds_count{class="pending"}`:            1,
		`paymentd_attempt_duration_seconds_count{class="key_reused"}`:         1,
		`paymentd_attempt_duration_seconds_count{class="other"}`:              1,
		`paymentd_lookup_duration_seconds_count{finding="approved"}`:          1,
		`paymentd_lookup_duration_seconds_count{finding="declined"}`:          1,
		`paymentd_lookup_duration_seconds_count{finding="processing"}`:        1,
		`paymentd_lookup_duration_seconds_count{finding="nothing"}`:           1,
		`paymentd_lookup_duration_seconds_count{finding="no_answer"}`:         2,
		`paymentd_lookup_duration_seconds_count{finding="pending"}`:           1,
		`paymentd_lookup_duration_seconds_count{finding="voided"}`:            1,
		`paymentd_lookup_duration_seconds_count{finding="other"}`:             1,
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
			Gateway:  metrics.New("test").Gateway(gateway),
			Approved: money(t, "100.00"), Declined: declined, Charges: gateway.ChargesWith,
		}
	})
}
