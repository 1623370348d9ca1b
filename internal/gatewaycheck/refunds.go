package gatewaycheck

import (
	"fmt"

	"paymentd/core/payment"
)

const refundAdvice = "Store the key of a refund in the same transaction as the refund, with a unique index, and answer a key that is " +
	"stored with the result that is stored with it."

func refundChecks() []check {
	return []check{
		{
			name: "refund, same key again", promise: NeverTwice, costs: costs(1, 1), run: repeatRefund, advice: refundAdvice,
			proves: "a repeat of a refund with the same key is not another refund, and a lookup finds it",
		},
		{
			name: "refund of more than is left", promise: NeverTwice, costs: costs(1, 1), run: exceedCharge,
			proves: "the refunds of a charge never exceed it",
			advice: "Lock the charge while its refund is decided, and count all its refunds, also those that are pending. Answer one that " +
				"exceeds what is left with 402, the mark and {\"status\":\"declined\",\"code\":\"amount_exceeds_charge\"}.",
		},
	}
}

// refundOf returns a refund of a charge with a key that was never used.
func (r *run) refundOf(m made, money payment.Money) payment.Charge {
	c := r.order(money)
	c.OrderID, c.Method = m.charge.OrderID, ""
	c.Operation = payment.OperationID{Kind: payment.KindRefund, Name: "check-" + string(c.Key)}
	c.Of = payment.ChargeID{Key: m.charge.Key, Gateway: r.Gateway.Capabilities().Gateway, TransactionID: m.transactionID}
	return c
}

// refund makes a charge and refunds it. Its finding says why it did not.
func (r *run) refund() (m made, refund payment.Charge, id string, wrong *Finding) {
	noRefund := func(found string) *Finding {
		f := skip(found, "Nothing, unless payments at this gateway are to be refunded through the service.")
		return &f
	}
	switch {
	case !r.Gateway.Capabilities().Operations.Has(payment.OperationRefund):
		return made{}, payment.Charge{}, "", noRefund("the adapter declares no refunds")
	case r.unrefunded != "":
		return made{}, payment.Charge{}, "", noRefund(r.unrefunded)
	}
	if m, wrong = r.approve(r.Approved); wrong != nil {
		return made{}, payment.Charge{}, "", wrong
	}
	refund = r.refundOf(m, r.Approved)
	result := r.charge(refund)
	if result.Class != payment.ClassApproved {
		r.unrefunded = "a refund of " + m.transactionID + " was " + describe(result)
		return made{}, payment.Charge{}, "", noRefund(r.unrefunded)
	}
	return m, refund, result.TransactionID, nil
}

// repeatRefund repeats a refund, and looks it up.
func repeatRefund(r *run) Finding {
	m, refund, id, wrong := r.refund()
	if wrong != nil {
		return *wrong
	}
	for range repeats {
		if again := r.charge(refund); again.Class != payment.ClassApproved || again.TransactionID != id {
			return fail("a refund of " + m.transactionID + " was approved as " + id + ", and its repeat was " + describe(again))
		}
	}
	ref := refOf(refund)
	ref.Operation, ref.Of = refund.Operation, refund.Of
	if l := r.await(ref); l.TransactionID != id {
		return fail("a refund of " + m.transactionID + " was approved as " + id + ", and the lookup says: " + describeLookup(l)).
			advised("Answer GET {base}/charges/{key of the charge}/refunds/{key of the refund} with the state of the refund.")
	}
	return pass(fmt.Sprintf("%d repeats were answered with the first refund, %s", repeats, id))
}

// exceedCharge refunds more of a charge than is left.
func exceedCharge(r *run) Finding {
	m, _, id, wrong := r.refund()
	if wrong != nil {
		return *wrong
	}
	again := r.charge(r.refundOf(m, r.Approved))
	found := m.transactionID + " was refunded as " + id + ", and a second refund of all of it was " + describe(again)
	if !refused(again) {
		return fail(found)
	}
	return pass(found)
}
