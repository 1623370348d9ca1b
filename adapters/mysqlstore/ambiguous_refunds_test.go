package mysqlstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/payment"
	"paymentd/ports"
)

// refundRequest returns a request for the refund r-1 of a part of order-1.
func refundRequest(t testing.TB) payment.ClaimRequest {
	t.Helper()
	a := request(t, "order-1")
	a.Operation = payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}
	a.NewKey, a.Note, a.Rules = "key-of-r-1", "damaged", refundRules()
	var err error
	a.Money, err = payment.MoneyFromMinor(2_500, a.Money.Currency())
	require.NoError(t, err)
	return a
}

// refundRules are rules for a gateway that refunds.
func refundRules() payment.KeyRules {
	r := rules
	r.Operations |= payment.OperationRefund
	return r
}

func charged(t *testing.T, s *mysqlstore.Payments) {
	t.Helper()
	p, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(), approved(*p)))
}

// claimRefund claims the refund r-1.
func claimRefund(ctx context.Context, t *testing.T, s *mysqlstore.Payments, fence int64) error {
	t.Helper()
	p, verdict, err := s.Claim(ctx, refundRequest(t))
	if err == nil {
		require.Equal(t, payment.VerdictClaimed, verdict, "its own claim, and not busy")
		require.Equal(t, fence, p.Fence)
	}
	return err
}

func refundExpired(t *testing.T, s *mysqlstore.Payments) {
	t.Helper()
	charged(t, s)
	a := refundRequest(t)
	a.Lease = 0
	_, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
}

// refundChanges are changes of a refund of order-1, each of which locks the row of the payment as well.
func refundChanges() map[string]change {
	return map[string]change{
		"a new refund": {
			statement: commit,
			begin:     charged,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				return claimRefund(ctx, t, s, 1)
			},
			done: requireRefund(payment.StateProcessing, 1, 1, 2_500),
		},
		"an import of a new refund":   importedRefund(charged, 1, 0),
		"an import of a known refund": importedRefund(refundExpired, 2, 1),
		"a takeover of a refund": {
			statement: commit,
			begin:     refundExpired,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				return claimRefund(ctx, t, s, 2)
			},
			done: requireRefund(payment.StateProcessing, 2, 2, 2_500),
		},
		"a pick-up of a refund by the queue": {
			statement: commit,
			begin:     refundExpired,
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				takeovers := policy(payment.WorkTakeovers)
				takeovers.Rules = refundRules()
				due, err := s.ClaimDue(ctx, takeovers, 10)
				if err == nil {
					require.Len(t, due, 1, "its own claim")
					require.Equal(t, int64(2), due[0].Payment.Fence)
				}
				return err
			},
			done: requireRefund(payment.StateProcessing, 2, 2, 2_500),
		},
		"a decline of a refund": {
			statement: commit,
			begin: func(t *testing.T, s *mysqlstore.Payments) {
				t.Helper()
				charged(t, s)
				require.NoError(t, claimRefund(t.Context(), t, s, 1))
			},
			make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
				t.Helper()
				p, err := s.FindOperation(t.Context(), payment.Ref{OrderID: "order-1", Operation: refundRequest(t).Operation})
				require.NoError(t, err)
				return s.Settle(ctx, declined(p, "no"))
			},
			done: requireRefund(payment.StateDeclined, 1, 1, 0),
		},
	}
}

// requireRefund requires that the order has one refund, and that its payment has reserved an amount.
func requireRefund(state payment.State, fence int64, attempts int, reserved int64) func(*testing.T, ports.History) {
	return func(t *testing.T, h ports.History) {
		t.Helper()
		require.Len(t, h.Operations, 1)
		r := h.Operations[0]
		require.Equal(t, state, r.Payment.State)
		require.Equal(t, fence, r.Payment.Fence)
		require.Len(t, r.Attempts, attempts)
		require.Equal(t, reserved, h.Payment.RefundReserved)
		require.Equal(t, payment.StateSucceeded, h.Payment.State)
		require.Len(t, h.Attempts, 1)
	}
}

// A capture that ends a hold gives the row of the charge a new claim token with the new fencing token, so that a
// lookup of the charge whose answer was lost does not take the row for its own.
func TestCapture_ChargeHasNewClaimToken(t *testing.T) {
	t.Parallel()
	databaseURL, db := withRaw(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	hold := request(t, "order-1")
	hold.Capture = payment.CaptureManual
	p, _, err := s.Claim(t.Context(), hold)
	require.NoError(t, err)
	authorized := approved(*p)
	authorized.End.Class, authorized.Outcome.State = payment.ClassAuthorized, payment.StateAuthorized
	require.NoError(t, s.Settle(t.Context(), authorized))
	token := func() (token int64) {
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT claim_token FROM payments").Scan(&token))
		return token
	}
	before := token()
	capture := request(t, "order-1")
	capture.Operation, capture.Money, capture.NewKey = payment.OperationID{Kind: payment.KindCapture}, payment.Money{}, "key-2"
	capture.Rules.Operations |= payment.OperationCapture
	captured, verdict, err := s.Claim(t.Context(), capture)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.Equal(t, before, token(), "the claim of the charge has not changed hands")
	require.NoError(t, s.Settle(t.Context(), approved(*captured)))
	require.NotEqual(t, before, token())
}

// importedRefund imports the refund r-1 with another key than the one that it may have.
func importedRefund(begin func(*testing.T, *mysqlstore.Payments), fence int64, attempts int) change {
	return change{
		statement: commit,
		begin:     begin,
		make: func(ctx context.Context, t *testing.T, s *mysqlstore.Payments) error {
			t.Helper()
			a := refundRequest(t)
			verdict, err := s.Import(ctx, payment.Import{
				Charge:        payment.Charge{Key: "key-of-the-gateway", OrderID: a.OrderID, Operation: a.Operation, Money: a.Money},
				TransactionID: "refund-1", By: "ada", Overwrite: true,
			})
			if err == nil {
				require.Equal(t, payment.VerdictWritten, verdict)
			}
			return err
		},
		done: requireRefund(payment.StateSucceeded, fence, attempts, 2_500),
	}
}
