package portstest

import (
	"errors"
	"fmt"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// importOperations are about imports of operations other than charges.
func importOperations() []clause {
	return []clause{
		{"import/a refund that is not stored reserves its amount, and is not made again", importsRefund},
		{"import/a refund in every other state becomes succeeded", importsOverStates},
		{"import/a refund with another key in flight or in doubt is refused", refusesOpenRefund},
		{"import/a refund that conflicts with what is stored is refused", refusesConflicts},
		{"import/an operation of an order without a payment is not found", func(r *repository) {
			_, err := r.Import(r.t.Context(), importedRefund(r, "order-1", "r-1", "25"))
			require.ErrorIs(r.t, err, ports.ErrNotFound)
			_, err = r.Find(r.t.Context(), "order-1")
			require.ErrorIs(r.t, err, ports.ErrNotFound, "nothing is stored")
		}},
		{"import/a refund whose money came back reserves nothing, and is not made again", importsReturn},
		{"import/the refund of a recorded second charge", importsSecondRefund},
		{"import/a hold, and the capture that took a part of it", importsCapture},
		{"import/a hold, and the void that released it", importsVoid},
		{"import/concurrent imports of refunds never reserve more than was taken", importsRefundsAtOnce},
	}
}

// importedOperation is an operation in the gateway's records, in USD.
func importedOperation(r *repository, ref payment.Ref, amount string) payment.Import {
	return payment.Import{
		Charge: payment.Charge{
			Key: payment.GatewayKey("key-of-" + ref.Operation.Name + string(ref.Operation.Kind)), OrderID: ref.OrderID,
			Operation: ref.Operation, Money: money(r.t, amount, "USD"),
		},
		TransactionID: "gateway-" + ref.Operation.Name, By: "ada",
	}
}

func importedRefund(r *repository, id payment.OrderID, name, amount string) payment.Import {
	return importedOperation(r, refundRef(id, name), amount)
}

func voidRef(id payment.OrderID) payment.Ref {
	return payment.Ref{OrderID: id, Operation: payment.OperationID{Kind: payment.KindVoid}}
}

func importRef(i payment.Import) payment.Ref {
	return payment.Ref{OrderID: i.OrderID, Operation: i.Operation}
}

// importOver imports an operation, and requires that it and its charge are what the import decides about both as they
// were before; stored is nil if the operation is new. A repeat writes nothing.
func (r *repository) importOver(i payment.Import, stored *payment.Payment) (after, charge payment.Payment) {
	r.t.Helper()
	before := r.history(i.OrderID).Payment
	before.Keys = r.history(i.OrderID).Keys
	r.importCharge(i, payment.VerdictWritten)
	after, charge = r.stored(importRef(i)), r.find(i.OrderID)
	d, err := i.ApplyOperation(before, stored, after.UpdatedAt)
	require.NoError(r.t, err)
	requireSame(r.t, d.Payment, after)
	if d.Charge != nil {
		requireSame(r.t, *d.Charge, charge)
	}
	h := r.operation(after.Ref())
	require.Equal(r.t, plainEvent(*d.Event), h.Events[len(h.Events)-1])
	requireGapless(r.t, h)
	whole := r.history(i.OrderID)
	r.importCharge(i, payment.VerdictReplay)
	require.Equal(r.t, plainHistory(whole), plainHistory(r.history(i.OrderID)))
	return after, charge
}

// refuseImport requires that an import is refused, and changes nothing.
func (r *repository) refuseImport(i payment.Import) {
	r.t.Helper()
	before := plainHistory(r.history(i.OrderID))
	_, err := r.Import(r.t.Context(), i)
	var refused *payment.ImportRefusedError
	require.ErrorAs(r.t, err, &refused, "%+v", i)
	require.NotEmpty(r.t, refused.Why)
	require.Equal(r.t, before, plainHistory(r.history(i.OrderID)))
}

func importsRefund(r *repository) {
	charge := r.charged("order-1")
	i := importedRefund(r, "order-1", "r-1", "25")
	i.Of.Key = charge.GatewayKey
	p, _ := r.importOver(i, nil)
	require.Equal(r.t, payment.StateSucceeded, p.State)
	require.Equal(r.t, i.TransactionID, p.TransactionID)
	require.Equal(r.t, i.Key, p.GatewayKey)
	require.Equal(r.t, payment.ChargeID{Key: charge.GatewayKey, Gateway: charge.Gateway, TransactionID: charge.TransactionID}, p.Of)
	require.Equal(r.t, "25.00", r.reserved("order-1"))
	require.Equal(r.t, payment.EventImported, r.operation(p.Ref()).Events[0].Kind)

	again := r.claim(r.refundRequest("order-1", "r-1", "25"), payment.VerdictReplay)
	require.Equal(r.t, i.TransactionID, again.TransactionID)
	require.Equal(r.t, "75.00 USD", r.refuse(r.refundRequest("order-1", "r-2", "75.01")).String())
	second, _ := r.importOver(importedRefund(r, "order-1", "r-2", "75"), nil)
	require.Equal(r.t, "100.00", r.reserved("order-1"))
	require.Len(r.t, r.history("order-1").Operations, 2)
	require.Equal(r.t, second.Of, p.Of)
}

func importsOverStates(r *repository) {
	for _, state := range operationStates() {
		if state == payment.StateSucceeded {
			continue
		}
		id := payment.OrderID("order-" + state)
		r.charged(id)
		before := r.refundInState(state, id, "r-1", "25")
		i := importedRefund(r, id, "r-1", "25")
		i.Overwrite = true
		p, _ := r.importOver(i, &before)
		require.Equal(r.t, payment.StateSucceeded, p.State, state)
		require.Equal(r.t, i.Key, p.GatewayKey, state)
		require.Equal(r.t, "25.00", r.reserved(id), state)
		r.claim(r.refundRequest(id, "r-1", "25"), payment.VerdictReplay)
		late := settlement(before, resultFor(payment.StateDeclined), outcomeFor(payment.StateDeclined))
		require.ErrorIs(r.t, r.Settle(r.t.Context(), late), payment.ErrFenced)
	}
}

func refusesOpenRefund(r *repository) {
	for _, state := range []payment.State{payment.StateProcessing, payment.StatePending, payment.StateUnresolved} {
		id := payment.OrderID("order-" + state)
		r.charged(id)
		before := r.refundInState(state, id, "r-1", "25")
		r.refuseImport(importedRefund(r, id, "r-1", "25"))
		own := importedRefund(r, id, "r-1", "25")
		own.Key = before.GatewayKey
		r.importOver(own, &before)
		require.Equal(r.t, "25.00", r.reserved(id), state)
	}
}

func refusesConflicts(r *repository) {
	r.charged("order-1")
	r.importOver(importedRefund(r, "order-1", "r-1", "60"), nil)
	excess, amount := importedRefund(r, "order-1", "r-2", "40.01"), importedRefund(r, "order-1", "r-1", "59")
	transaction, returned := importedRefund(r, "order-1", "r-1", "60"), importedRefund(r, "order-1", "r-1", "60")
	transaction.TransactionID, returned.TransactionID, returned.Returned = "gateway-2", "gateway-2", true
	other := importedRefund(r, "order-1", "r-3", "10")
	other.Of.Key = "key-of-another-charge"
	currency := importedRefund(r, "order-1", "r-3", "10")
	currency.Money = money(r.t, "10", "EUR")
	for _, i := range []payment.Import{
		excess, amount, transaction, returned, other, currency,
		importedOperation(r, captureRef("order-1"), "100"), importedOperation(r, voidRef("order-1"), "100"),
	} {
		r.refuseImport(i)
	}
	for _, state := range payment.States() {
		if state != payment.StateSucceeded {
			id := payment.OrderID("order-" + state)
			r.inState(state, id)
			r.refuseImport(importedRefund(r, id, "r-1", "1"))
		}
	}
}

func importsReturn(r *repository) {
	r.charged("order-1")
	i := importedRefund(r, "order-1", "r-1", "60")
	i.Returned = true
	p, _ := r.importOver(i, nil)
	require.Equal(r.t, payment.StateDeclined, p.State)
	require.Equal(r.t, payment.CodeRefundReturned, p.Code)
	require.Equal(r.t, "0", r.reserved("order-1"))
	r.claim(r.refundRequest("order-1", "r-1", "60"), payment.VerdictReplay)

	made, _ := r.importOver(importedRefund(r, "order-1", "r-2", "60"), nil)
	i = importedRefund(r, "order-1", "r-2", "60")
	i.Returned = true
	r.importOver(i, &made)
	require.Equal(r.t, "0", r.reserved("order-1"))
}

func importsSecondRefund(r *repository) {
	r.chargedTwice("order-1")
	i := importedOperation(r, payment.Ref{OrderID: "order-1", Operation: payment.SecondRefundID("key-second")}, "100")
	i.Of.Key = "key-second"
	p, _ := r.importOver(i, nil)
	require.Equal(r.t, "txn-second", p.Of.TransactionID)
	require.Equal(r.t, "0", r.reserved("order-1"))
	r.claim(r.secondRequest("order-1", ""), payment.VerdictReplay)

	r.charged("order-2")
	i.OrderID = "order-2"
	r.refuseImport(i)
}

func importsCapture(r *repository) {
	hold := importedCharge(r, "order-1", "txn-9")
	hold.Hold, hold.Capture = true, payment.CaptureManual
	r.importCharge(hold, payment.VerdictWritten)
	require.Equal(r.t, payment.StateAuthorized, r.find("order-1").State)
	r.importCharge(hold, payment.VerdictReplay)

	r.refuseImport(importedOperation(r, captureRef("order-1"), "100.01"))
	i := importedOperation(r, captureRef("order-1"), "60")
	i.TransactionID = "capture-9"
	_, charge := r.importOver(i, nil)
	require.Equal(r.t, payment.StateSucceeded, charge.State)
	require.Equal(r.t, "60.00 USD", charge.Captured().String())
	r.claim(r.captureRequest("order-1", "60"), payment.VerdictReplay)
	r.importCharge(hold, payment.VerdictReplay)
	r.refuseImport(importedRefund(r, "order-1", "r-1", "60.01"))
	r.importOver(importedRefund(r, "order-1", "r-1", "60"), nil)

	r.held("order-2") // and captured with a key that the table has
	pending := r.operationInState(payment.StateUnresolved, r.captureRequest("order-2", ""))
	i = importedOperation(r, captureRef("order-2"), "100")
	i.TransactionID, i.Key = "capture-10", pending.GatewayKey
	_, charge = r.importOver(i, &pending)
	require.Equal(r.t, payment.StateSucceeded, charge.State)

	automatic := importedCharge(r, "order-4", "txn-4")
	automatic.Hold, automatic.Capture = true, payment.CaptureManual
	r.inState(payment.StateDeclined, "order-4")
	r.refuseImport(automatic)
}

func importsVoid(r *repository) {
	r.held("order-1")
	i := importedOperation(r, voidRef("order-1"), "100")
	i.TransactionID = string(i.Key)
	_, charge := r.importOver(i, nil)
	require.Equal(r.t, payment.StateVoided, charge.State)
	r.claim(r.voidRequest("order-1"), payment.VerdictReplay)
	r.claim(r.holdRequest("order-1"), payment.VerdictVoided)
	r.refuseImport(importedOperation(r, captureRef("order-1"), "100"))
}

func importsRefundsAtOnce(r *repository) {
	const many = 6 // of 30.00 each: three of them fit into 100.00
	r.charged("order-1")
	r.concurrently(many, func(on ports.Payments, n int) error {
		_, err := on.Import(r.t.Context(), importedRefund(r, "order-1", fmt.Sprintf("r-%d", n), "30"))
		if refused, ok := errors.AsType[*payment.ImportRefusedError](err); ok && refused.Why != "" {
			return nil
		}
		return err
	})
	require.Equal(r.t, "90.00", r.reserved("order-1"))
	require.Len(r.t, r.history("order-1").Operations, 3)
}
