package audit

import (
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"slices"

	"paymentd/core/payment"
)

// sharedTransaction is a transaction that several orders have, in the list or in their payments.
type sharedTransaction struct {
	id      string
	orders  []payment.OrderID
	charges []payment.LedgerCharge // at most one of each order
}

func (t *sharedTransaction) add(order payment.OrderID) bool {
	if slices.Contains(t.orders, order) || len(t.orders) == maxSharedOrders {
		return false
	}
	t.orders = append(t.orders, order)
	return true
}

// findShared reads the charges of transactions that may have several orders, and confirms those that
// have.
func (a *audit) findShared(ctx context.Context) error {
	if len(a.shared) == 0 {
		return nil
	}
	slices.Sort(a.shared)
	a.shared = slices.Compact(a.shared)
	found, err := a.readShared(ctx)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if t := found[id]; len(t.orders) > 1 && len(t.charges) > 0 {
			if err := a.confirmShared(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// readShared reads the pages that have shared transactions. It reads the whole list if the pages are not
// known, or have changed.
func (a *audit) readShared(ctx context.Context) (sharedTransactions, error) {
	if a.of == 1 && a.cursors != nil {
		found := make(sharedTransactions)
		slices.Sort(a.sharedPages)
		for _, number := range slices.Compact(a.sharedPages) {
			q := a.query()
			q.Cursor = a.cursors[number]
			page, err := a.readAhead(ctx, q)()
			if err != nil {
				return nil, err
			}
			a.addCharges(found, page.Charges)
			a.progress(PhaseShared, len(found), 1)
		}
		a.addUnchargedOrders(found)
		if len(found) == len(a.shared) && !found.anySingle() {
			return found, nil
		}
	}
	found := make(sharedTransactions)
	err := a.eachCharges(ctx, PhaseShared, func(_ int, _ string, page []payment.LedgerCharge) error {
		a.addCharges(found, page)
		return nil
	})
	a.addUnchargedOrders(found)
	return found, err
}

// sharedTransactions are the transactions of a.shared, by their ids.
type sharedTransactions map[string]*sharedTransaction

// anySingle reports whether only one order was found for a transaction.
func (s sharedTransactions) anySingle() bool {
	for _, t := range s {
		if len(t.orders) < 2 {
			return true
		}
	}
	return false
}

// get returns a transaction; nil if it is not one of those that may be shared.
func (a *audit) get(found sharedTransactions, id string) *sharedTransaction {
	if _, wanted := slices.BinarySearch(a.shared, maphash.String(a.seed, id)); !wanted {
		return nil
	}
	if found[id] == nil {
		found[id] = &sharedTransaction{id: id}
	}
	return found[id]
}

func (a *audit) addCharges(found sharedTransactions, page []payment.LedgerCharge) {
	for _, c := range page {
		if c.State != payment.FoundApproved || c.OrderID == "" {
			continue
		}
		if t := a.get(found, c.TransactionID); t != nil && t.add(c.OrderID) {
			t.charges = append(t.charges, c)
		}
	}
}

// addUnchargedOrders adds the orders whose payments have a transaction that is another order's.
func (a *audit) addUnchargedOrders(found sharedTransactions) {
	for _, c := range a.sorted() {
		if c.uncharged {
			if t := a.get(found, c.payment.TransactionID); t != nil {
				t.add(c.order)
			}
		}
	}
}

// confirmShared reports a transaction if, after the lookups, still several orders have it.
func (a *audit) confirmShared(ctx context.Context, t *sharedTransaction) error {
	d := Difference{Kind: KindShared, Charge: t.charges[0], Key: t.charges[0].Key}
	orders, err := a.lookUpShared(ctx, t, &d)
	if err != nil {
		return err
	}
	page, err := a.find(ctx, t.orders)
	if err != nil {
		return err
	}
	for _, s := range page.Summaries {
		if s.State == payment.StateSucceeded && s.TransactionID == t.id && !slices.Contains(orders, s.OrderID) {
			orders = append(orders, s.OrderID)
		}
	}
	if len(orders) < 2 {
		return nil
	}
	d.OrderID, d.Others = orders[0], orders[1:]
	for _, s := range page.Summaries {
		if s.OrderID == d.OrderID {
			d.Payment = s
		}
	}
	a.report.Differences = append(a.report.Differences, d)
	for _, id := range orders {
		if c, known := a.candidates[id]; known {
			c.dropTransaction(t.id)
		}
	}
	return nil
}

// lookUpShared looks the charges of a transaction up, records that in the difference, and returns the orders
// of those that still have the transaction.
func (a *audit) lookUpShared(ctx context.Context, t *sharedTransaction, d *Difference) (orders []payment.OrderID, err error) {
	for _, c := range t.charges {
		l, err := a.lookUp(ctx, refOf(c))
		if err != nil {
			return nil, err
		}
		now := updated(c, l)
		if l.Result == payment.FoundApproved && l.TransactionID != t.id || now.State != payment.FoundApproved {
			continue
		}
		orders = append(orders, c.OrderID)
		d.Lookup = cmp.Or(d.Lookup, l.Result)
		d.Confirmed = d.Confirmed || l.Result == payment.FoundApproved
	}
	return orders, nil
}

// dropTransaction removes what the difference about the transaction reports, but no other amount.
func (c *candidate) dropTransaction(id string) {
	c.charges = slices.DeleteFunc(c.charges, func(charge payment.LedgerCharge) bool {
		return charge.TransactionID == id && c.payment.TransactionID != id
	})
	if c.payment.TransactionID == id {
		c.uncharged = false
	}
}

// sorted returns the candidates by their first moment, and those of the same by order id.
func (a *audit) sorted() []*candidate {
	return slices.SortedFunc(maps.Values(a.candidates), func(x, y *candidate) int {
		return cmp.Or(x.since().Compare(y.since()), cmp.Compare(x.order, y.order))
	})
}
