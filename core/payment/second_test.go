package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// chargedTwice is a payment of 100.00 with a recorded second charge, txn-2 with the key key-2 at another gateway.
func chargedTwice(t testing.TB) payment.Payment {
	p := chargedPayment(t, 0)
	d, err := payment.Approval{
		OrderID: p.OrderID, Key: "key-2", Gateway: "https://other.example", TransactionID: "txn-2", By: "ada", Rules: refundRules(), Worker: noon,
	}.Apply(p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictDouble, d.Verdict)
	return d.Payment
}

// secondRequest asks for the refund of the second charge; an empty amount is all of it.
func secondRequest(t testing.TB, amount string) payment.ClaimRequest {
	a := refundRequest(t, amount)
	a.Operation, a.SecondTransaction = payment.SecondRefundID("key-2"), "txn-2"
	other := a.Rules.Capabilities
	other.Gateway = "https://other.example"
	a.Rules.Gateways = []payment.Capabilities{a.Rules.Capabilities, other}
	return a
}

func TestSecondRefund_New_ReservesNothingOfThePayment(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]string{"": "100.00 USD", "100.00": "100.00 USD", "40.00": "40.00 USD"} {
		charge := chargedTwice(t)
		d, err := decideOperation(secondRequest(t, amount), charge, nil, noon)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictClaimed, d.Verdict)
		require.Equal(t, want, d.Payment.Money.String())
		second := payment.ChargeID{Key: "key-2", Gateway: "https://other.example", TransactionID: "txn-2"}
		require.Equal(t, second, d.Payment.Of)
		require.Equal(t, second.Gateway, d.Payment.Gateway, "the gateway of the second charge has to refund it")
		require.Zero(t, d.Charge.RefundReserved)
		require.Equal(t, charge.Operations+1, d.Charge.Operations)
		left, some := d.Charge.Refundable()
		require.True(t, some)
		require.Equal(t, charge.Money, left)
	}
}

func TestSecondRefund_Repeat(t *testing.T) {
	t.Parallel()
	for _, state := range operationStates() {
		charge := chargedTwice(t)
		d, err := decideOperation(secondRequest(t, ""), charge, nil, noon)
		require.NoError(t, err)
		charge = *d.Charge
		charge.RefundReserved = charge.Money.Minor() // the payment itself was refunded as well
		stored := d.Payment
		s := inState(t, state)
		stored.State, stored.DueAt, stored.TransactionID = s.State, s.DueAt, s.TransactionID
		stored.Doubt = payment.Doubt{}
		again, err := decideOperation(secondRequest(t, ""), charge, &stored, noon)
		require.NoError(t, err, state)
		require.NotEqual(t, payment.VerdictMismatch, again.Verdict, state)
		if again.Charge != nil {
			require.Equal(t, charge.RefundReserved, again.Charge.RefundReserved, state)
		}
		other := secondRequest(t, "")
		other.SecondTransaction = "txn-3"
		_, err = decideOperation(other, charge, &stored, noon)
		require.ErrorContains(t, err, "gives back transaction txn-2", "one gateway key may have two transactions")
	}
}

func TestSecondRefund_Refused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*payment.ClaimRequest, *payment.Payment)
		want   string
	}{
		"more than it took": {func(a *payment.ClaimRequest, _ *payment.Payment) { a.Money = amountOf(t, "100.01", "USD") }, "refund at most that"},
		"other currency":    {func(a *payment.ClaimRequest, _ *payment.Payment) { a.Money = amountOf(t, "1.00", "EUR") }, "refund at most that"},
		"not recorded":      {func(a *payment.ClaimRequest, _ *payment.Payment) { a.SecondTransaction = "txn-3" }, "is recorded"},
		"other key":         {func(a *payment.ClaimRequest, _ *payment.Payment) { a.Operation = payment.SecondRefundID("key-3") }, "is recorded"},
		"the payment's own": {func(a *payment.ClaimRequest, p *payment.Payment) { a.SecondTransaction = p.TransactionID }, "that of the payment itself"},
		"a hold":            {func(_ *payment.ClaimRequest, p *payment.Payment) { p.Capture = payment.CaptureManual }, "void or refund it"},
		"the payment's key": {func(a *payment.ClaimRequest, p *payment.Payment) {
			p.Keys[0].Key = p.GatewayKey
			a.Operation = payment.SecondRefundID(p.GatewayKey)
		}, "may give back the wrong one"},
		"by a client": {func(a *payment.ClaimRequest, _ *payment.Payment) { a.SecondTransaction = "" }, "use another refund_id"},
		"not able": {func(a *payment.ClaimRequest, _ *payment.Payment) {
			a.Rules.Gateways[1].Operations = 0
		}, "does not support refunds"},
		"not succeeded": {func(_ *payment.ClaimRequest, p *payment.Payment) {
			p.State, p.Doubt = payment.StateDeclined, payment.Doubt{}
		}, "only a succeeded"},
	} {
		a, charge := secondRequest(t, ""), chargedTwice(t)
		tt.change(&a, &charge)
		d, err := decideOperation(a, charge, nil, noon)
		var refused *payment.OperationRefusedError
		require.ErrorAs(t, err, &refused, name)
		require.ErrorContains(t, err, tt.want, name)
		require.False(t, d.Write, name)
	}
	a, charge := secondRequest(t, ""), chargedTwice(t)
	a.Rules.Gateways = a.Rules.Gateways[:1]
	d, err := decideOperation(a, charge, nil, noon)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictForeign, d.Verdict)
	charge.State = payment.StateProcessing
	_, err = decideOperation(secondRequest(t, ""), charge, nil, noon)
	require.ErrorIs(t, err, payment.ErrChargeOpen)
}

// The longest gateway key makes a valid refund id.
func TestSecondRefundID_LongestKey(t *testing.T) {
	t.Parallel()
	id, err := payment.ParseRefundID(payment.SecondRefundID(payment.GatewayKey(strings.Repeat("k", 64))).Name)
	require.NoError(t, err)
	require.True(t, id.RefundsSecondCharge())
	require.False(t, refundID("r-1").RefundsSecondCharge())
}
