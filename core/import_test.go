package core_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// Each import of a list is rehearsed with the result that it then has. Only the refund_id may be missing, if the table
// has the key.
func TestImport_ListOfOperations_IsRehearsed(t *testing.T) {
	t.Parallel()
	const (
		added, known                  = "added", "known"
		noPayment, noID, ofKey, ofTxn = "the order has no payment", "its refund_id is not known", "its gateway key is that of", "its transaction is that of"
		exceeds, otherAmount          = "the refund exceeds what is left of the payment: 40.00 USD", "but the order is for"
	)
	charge := payment.KindCharge
	for _, mode := range []string{"rehearsed", "made"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			payments := fake.NewPayments()
			rehearsal := core.NewRehearsal(payments)
			for _, c := range []struct {
				order             payment.OrderID
				kind              payment.Kind
				name, key, amount string
				hold              bool
				want              string
			}{
				{"order-1", payment.KindRefund, "r-1", "k-1", "60", false, noPayment},
				{"order-1", charge, "", "k-0", "100", false, added},
				{"order-1", charge, "", "k-0", "100", false, known},
				{"order-1", charge, "", "k-0", "99", false, otherAmount},
				{"order-1", payment.KindRefund, "", "k-1", "60", false, noID},
				{"order-1", payment.KindRefund, "r-1", "k-1", "60", false, added},
				{"order-1", payment.KindRefund, "r-1", "k-1", "60", false, known},
				{"order-1", payment.KindRefund, "", "k-1", "60", false, known},
				{"order-1", payment.KindRefund, "r-2", "k-1", "10", false, ofKey},
				{"order-1", payment.KindRefund, "r-2", "other k-1", "10", false, ofTxn},
				{"order-1", payment.KindRefund, "r-2", "k-2", "40.01", false, exceeds},
				{"order-1", payment.KindRefund, "r-2", "k-2", "40", false, added},
				{"order-2", charge, "", "k-3", "50", true, added},
				{"order-2", payment.KindRefund, "r-1", "k-4", "1", false, "so that no money was taken"},
				{"order-2", payment.KindCapture, "", "k-5", "20", false, added},
				{"order-2", payment.KindCapture, "", "k-5", "20", false, known},
				{"order-2", payment.KindVoid, "", "k-6", "50", false, "cannot be voided"},
				{"order-2", payment.KindRefund, "r-1", "k-4", "20", false, added},
			} {
				i := payment.Import{
					Charge: payment.Charge{
						Key: payment.GatewayKey(c.key), OrderID: c.order, Operation: payment.OperationID{Kind: c.kind, Name: c.name},
						Money: money(c.amount, "USD"),
					},
					TransactionID: "of-" + c.key, By: "ann", Hold: c.hold,
				}
				if c.key == "other k-1" {
					i.Key, i.TransactionID = "k-9", "of-k-1"
				}
				if c.hold {
					i.Capture = payment.CaptureManual
				}
				written, err := rehearsal.Import(t.Context(), i)
				if mode == "made" {
					written, err = core.Import(t.Context(), payments, i)
				}
				refused, isRefused := errors.AsType[*payment.ImportRefusedError](err)
				switch {
				case isRefused:
					require.Contains(t, refused.Why, c.want, "%+v", c)
				case written:
					require.NoError(t, err)
					require.Equal(t, c.want, added, "%+v", c)
				default:
					require.NoError(t, err)
					require.Equal(t, c.want, known, "%+v", c)
				}
			}
			_, err := payments.Find(t.Context(), "order-1")
			require.Equal(t, mode == "made", err == nil, "a rehearsal writes nothing")
		})
	}
}

// What the gateway has not decided is known if the service waits for it.
func TestHasKey(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, a *replica) {
		a.refund("r-1", "25")
		for _, c := range []struct {
			of    payment.OperationID
			order payment.OrderID
			key   payment.GatewayKey
			want  bool
		}{
			{payment.OperationID{}, order, w.stored().GatewayKey, true},
			{payment.OperationID{}, order, w.storedRefund("r-1").GatewayKey, false},
			{refundID(""), order, w.storedRefund("r-1").GatewayKey, true},
			{refundID(""), order, w.stored().GatewayKey, false},
			{payment.OperationID{Kind: payment.KindCapture}, order, w.storedRefund("r-1").GatewayKey, false},
			{refundID(""), "order-2", w.stored().GatewayKey, false},
		} {
			i := payment.Import{Charge: payment.Charge{OrderID: c.order, Operation: c.of, Key: c.key}}
			has, err := core.HasKey(t.Context(), w.payments, i)
			require.NoError(t, err)
			require.Equal(t, c.want, has, "%+v", c)
		}
	})
}
