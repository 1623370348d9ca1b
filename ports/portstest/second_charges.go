package portstest

import (
	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// secondCharges are about refunds of a charge that the payment did not succeed with.
func secondCharges() []clause {
	return []clause{
		{"second charge/its refund has the second charge, and reserves nothing of the payment", refundsSecondCharge},
		{"second charge/only one that is recorded is refunded", func(r *repository) {
			r.charged("order-1")
			r.chargedTwice("order-2")
			for _, a := range []payment.ClaimRequest{r.secondRequest("order-1", ""), r.secondRequest("order-2", "100.01")} {
				r.refuse(a)
			}
			byClient := r.secondRequest("order-2", "")
			byClient.SecondTransaction = ""
			r.refuse(byClient)
		}},
		{"second charge/no end of its refund releases anything of the payment", func(r *repository) {
			for _, state := range operationStates() {
				id := payment.OrderID("order-" + state)
				r.chargedTwice(id)
				r.refund(id, "r-1", "30")
				if state == payment.StateScheduled {
					continue
				}
				p := r.claim(r.secondRequest(id, ""), payment.VerdictClaimed)
				if state != payment.StateProcessing {
					p = r.settle(p, resultFor(state), outcomeFor(state))
				}
				require.Equal(r.t, state, p.State)
				require.Equal(r.t, "30.00", r.reserved(id), state)
				r.refund(id, "r-2", "")
				require.Equal(r.t, "100.00", r.reserved(id), state)
			}
		}},
		{"second charge/a repeat after a decline reserves nothing of the payment", func(r *repository) {
			r.chargedTwice("order-1")
			p := r.claim(r.secondRequest("order-1", ""), payment.VerdictClaimed)
			p = r.settle(p, resultFor(payment.StateDeclined), outcomeFor(payment.StateDeclined))
			r.refund("order-1", "r-1", "")
			again := r.claim(r.secondRequest("order-1", ""), payment.VerdictClaimed)
			require.NotEqual(r.t, p.GatewayKey, again.GatewayKey)
			require.Equal(r.t, p.Of, again.Of)
			require.Equal(r.t, "100.00", r.reserved("order-1"))
		}},
	}
}

// chargedTwice is an order whose charge of 100.00 USD has succeeded, and which has a second charge, txn-second.
func (r *repository) chargedTwice(id payment.OrderID) payment.Payment {
	r.t.Helper()
	a := approval(r.charged(id), "txn-second")
	a.Key = "key-second"
	p, verdict, err := r.RecordApproval(r.t.Context(), a)
	require.NoError(r.t, err)
	require.Equal(r.t, payment.VerdictDouble, verdict)
	return p
}

// secondRequest returns a request for the refund of the second charge. An empty amount is all of it.
func (r *repository) secondRequest(id payment.OrderID, amount string) payment.ClaimRequest {
	a := r.refundRequest(id, "", amount)
	a.Operation, a.SecondTransaction = payment.SecondRefundID("key-second"), "txn-second"
	return a
}

func refundsSecondCharge(r *repository) {
	for _, before := range []string{"0", "30.00"} { // with and without another operation of the order
		id := payment.OrderID("order-" + before)
		charge := r.chargedTwice(id)
		if before != "0" {
			r.refund(id, "r-1", before)
		}
		deferred := r.secondRequest(id, "")
		deferred.Deferred, deferred.Async = true, true
		p := r.claim(deferred, payment.VerdictAccepted)
		require.Equal(r.t, "100.00 USD", p.Money.String())
		require.Equal(r.t, payment.ChargeID{Key: "key-second", Gateway: charge.Gateway, TransactionID: "txn-second"}, p.Of)
		requireSame(r.t, p, r.stored(p.Ref()))
		require.Equal(r.t, before, r.reserved(id))
		other := r.secondRequest(id, "")
		other.SecondTransaction = "txn-third"
		r.refuse(other)

		claimed := r.claim(r.secondRequest(id, ""), payment.VerdictClaimed)
		require.Equal(r.t, p.GatewayKey, claimed.GatewayKey)
		done := r.settle(claimed, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
		requireSame(r.t, done, r.claim(r.secondRequest(id, "100"), payment.VerdictReplay))
		r.claim(r.secondRequest(id, "99"), payment.VerdictMismatch)
		require.Equal(r.t, before, r.reserved(id))
	}
}
