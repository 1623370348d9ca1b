package audit

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"

	"paymentd/core/payment"
)

// maxCharges limits the charges whose hashes are kept. A longer list is compared in parts.
const maxCharges = 1 << 21

// part selects the hashes that leave this remainder. The part of 1 is everything.
type part struct{ of, remainder uint64 }

func (p part) has(hash uint64) bool { return hash%p.of == p.remainder }

// halve returns the two halves of a part.
func (p part) halve() (low, high part) {
	return part{2 * p.of, p.remainder}, part{2 * p.of, p.remainder + p.of}
}

// listed is what is kept of the charges that took money: hashes, of one part of the orders and of one
// part of the transactions.
type listed struct {
	part

	seed maphash.Seed
	max  int
	// charges are the hashes of an order and its transaction, and transactions those of transactions.
	charges      []uint64
	transactions []transaction
}

// transaction is the hash of a transaction, that of its order and transaction, and the page that lists it.
type transaction struct {
	hash, charge uint64
	page         int32
}

func (l *listed) ofOrder(id payment.OrderID) uint64 { return maphash.Comparable(l.seed, id) }

func (l *listed) ofTransaction(id string) uint64 { return maphash.String(l.seed, id) }

func (l *listed) ofCharge(order payment.OrderID, transactionID string) uint64 {
	return maphash.Comparable(l.seed, struct {
		order       payment.OrderID
		transaction string
	}{order, transactionID})
}

// add keeps a charge of a page. It returns false if there is no room for it.
func (l *listed) add(order payment.OrderID, transactionID string, page int) bool {
	charge := l.ofCharge(order, transactionID)
	if l.has(l.ofOrder(order)) {
		if len(l.charges) == l.max {
			return false
		}
		l.charges = append(l.charges, charge)
	}
	if hash := l.ofTransaction(transactionID); l.has(hash) {
		if len(l.transactions) == l.max {
			return false
		}
		l.transactions = append(l.transactions, transaction{hash, charge, int32(min(page, math.MaxInt32))}) //nolint:gosec // bounded
	}
	return true
}

// complete must be called after the last charge, before the methods below.
func (l *listed) complete() {
	slices.Sort(l.charges)
	slices.SortFunc(l.transactions, func(a, b transaction) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.charge, b.charge))
	})
}

// charged reports whether the order was charged with the transaction.
func (l *listed) charged(order payment.OrderID, transactionID string) bool {
	_, found := slices.BinarySearch(l.charges, l.ofCharge(order, transactionID))
	return found
}

// pagesOf returns the pages that list a transaction; none if no order was charged with it.
func (l *listed) pagesOf(id string) (pages []int32) {
	hash := l.ofTransaction(id)
	first, _ := slices.BinarySearchFunc(l.transactions, hash, func(t transaction, hash uint64) int {
		return cmp.Compare(t.hash, hash)
	})
	for _, t := range l.transactions[first:] {
		if t.hash != hash || len(pages) == maxSharedOrders {
			break
		}
		pages = append(pages, t.page)
	}
	return pages
}

// shared returns the hashes of transactions that several orders have, with the pages that list them. A
// charge that is listed twice is one.
func (l *listed) shared() (hashes []uint64, pages []int32) {
	for i := 1; i < len(l.transactions) && len(hashes) < maxShared; i++ {
		before, t := l.transactions[i-1], l.transactions[i]
		if t.hash == before.hash && t.charge != before.charge {
			hashes, pages = append(hashes, t.hash), append(pages, before.page, t.page)
		}
	}
	return slices.Compact(hashes), pages
}
