package portstest

import (
	"fmt"
	"sync"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// importedCharge is a charge of 100.00 USD in the gateway's records.
func importedCharge(r *repository, id payment.OrderID, transaction string) payment.Import {
	return payment.Import{
		Charge:        payment.Charge{Key: "key-of-the-gateway", OrderID: id, Money: money(r.t, "100.00", "USD")},
		TransactionID: transaction, By: "ada",
	}
}

func imports() []clause {
	return []clause{
		{"import/an unknown order has succeeded, and is not charged again", func(r *repository) {
			i := importedCharge(r, "order-1", "txn-9")
			r.importCharge(i, payment.VerdictWritten)
			h := r.history("order-1")
			opened := i.Open(h.Payment.CreatedAt)
			d, err := i.Apply(opened, h.Payment.UpdatedAt)
			require.NoError(r.t, err)
			requireSame(r.t, d.Payment, h.Payment)
			require.Equal(r.t, []payment.Event{plainEvent(*d.Event)}, h.Events)
			requireGapless(r.t, h)
			p := r.claim(r.claimRequest("order-1"), payment.VerdictReplay)
			require.Equal(r.t, "txn-9", p.TransactionID)
			require.Equal(r.t, i.Key, p.GatewayKey)
		}},
		{"import/every other state becomes succeeded", func(r *repository) {
			for _, state := range payment.States() {
				if state.Approved() {
					continue
				}
				id := payment.OrderID("order-" + state)
				before := r.inState(state, id)
				i := importedCharge(r, id, "txn-9")
				i.Overwrite = true
				r.importCharge(i, payment.VerdictWritten)
				h := r.history(id)
				d, err := i.Apply(before, h.Payment.UpdatedAt)
				require.NoError(r.t, err)
				requireSame(r.t, d.Payment, h.Payment)
				requireGapless(r.t, h)
				require.Equal(r.t, payment.EventImported, h.Events[len(h.Events)-1].Kind)
				r.claim(r.claimRequest(id), payment.VerdictReplay)
				late := settlement(before, resultFor(payment.StateDeclined), outcomeFor(payment.StateDeclined))
				require.ErrorIs(r.t, r.Settle(r.t.Context(), late), payment.ErrFenced)
			}
		}},
		{"import/a recorded charge is unchanged", func(r *repository) {
			i := importedCharge(r, "order-1", "txn-9")
			r.importCharge(i, payment.VerdictWritten)
			before := r.history("order-1")
			r.importCharge(i, payment.VerdictReplay)
			require.Equal(r.t, plainHistory(before), plainHistory(r.history("order-1")))
		}},
		{"import/another amount or a second transaction is refused", func(r *repository) {
			r.importCharge(importedCharge(r, "order-1", "txn-9"), payment.VerdictWritten)
			before := r.history("order-1")
			other := importedCharge(r, "order-1", "txn-9")
			other.Money = money(r.t, "100.00", "EUR")
			for _, i := range []payment.Import{other, importedCharge(r, "order-1", "txn-10")} {
				_, err := r.Import(r.t.Context(), i)
				var refused *payment.ImportRefusedError
				require.ErrorAs(r.t, err, &refused)
				require.Equal(r.t, plainHistory(before), plainHistory(r.history("order-1")))
			}
		}},
		{"import/one of many concurrent imports writes", importsAtOnce},
	}
}

func importsAtOnce(r *repository) {
	const many = 8
	for round := range 5 {
		id := payment.OrderID(fmt.Sprintf("order-%d", round))
		var all sync.WaitGroup
		var verdicts [many]payment.Verdict
		var errs [many]error
		for n := range many {
			all.Go(func() { verdicts[n], errs[n] = r.Import(r.t.Context(), importedCharge(r, id, "txn-9")) })
		}
		all.Wait()
		written := 0
		for n := range many {
			require.NoError(r.t, errs[n])
			if verdicts[n] == payment.VerdictWritten {
				written++
			}
		}
		require.Equal(r.t, 1, written)
		requireGapless(r.t, r.history(id))
	}
}

func (r *repository) importCharge(i payment.Import, want payment.Verdict) {
	r.t.Helper()
	require.NoError(r.t, i.Check())
	verdict, err := r.Import(r.t.Context(), i)
	require.NoError(r.t, err)
	require.Equal(r.t, want, verdict)
}
