package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"paymentd/core/payment"
)

// maxPageCharges is how many charges a page of the list has at most. A page of the longest ones is less
// than a megabyte of JSON.
const maxPageCharges = 1000

// listedStates are the results of a lookup, by the status of a charge.
var listedStates = map[string]payment.LookupResult{
	statusSucceeded:  payment.FoundApproved,
	statusAuthorized: payment.FoundAuthorized,
	statusDeclined:   payment.FoundDeclined,
	statusPending:    payment.FoundPending,
	statusVoided:     payment.FoundVoided,
}

// Charges returns one page of the charges; see ports.Ledger. A forgotten key that was used again has
// several.
func (g *Gateway) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	if err := ctx.Err(); err != nil {
		return payment.LedgerPage{}, fmt.Errorf("list charges: %w", err)
	}
	start := 0
	if q.Cursor != "" {
		n, err := strconv.Atoi(q.Cursor)
		if err != nil || n < 0 {
			return payment.LedgerPage{}, errors.New("cursor must be the next_cursor of a page")
		}
		start = n
	}
	var page payment.LedgerPage
	r := g.answer(ctx, func() (r reply) {
		page, r = g.page(q, start)
		return r
	})
	if r.status != http.StatusOK {
		return payment.LedgerPage{}, fmt.Errorf("list charges: %s", r.message)
	}
	return page, nil
}

// page returns a page that begins with the charge of the given number. Its reply waits until all of the
// page is synced.
func (g *Gateway) page(q payment.LedgerQuery, start int) (payment.LedgerPage, reply) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, out := g.outOfOrder(); out {
		return payment.LedgerPage{}, r
	}
	var page payment.LedgerPage
	for i := min(start, len(g.listed)); i < len(g.listed); i++ {
		e := g.listed[i]
		if e.at.Before(q.From) || !e.at.Before(q.To) {
			continue
		}
		if len(page.Charges) == maxPageCharges {
			page.Next = strconv.Itoa(i)
			break
		}
		if r := e.found(); r.status != http.StatusOK {
			return payment.LedgerPage{}, r
		}
		page.Charges = append(page.Charges, e.listed())
	}
	return page, reply{status: http.StatusOK}
}

// listed returns the charge as it is listed.
func (e *entry) listed() payment.LedgerCharge {
	c := payment.LedgerCharge{
		Key: e.charge.Key, OrderID: e.charge.OrderID, Money: e.charge.Money, State: listedStates[e.status], Created: e.at,
	}
	if e.status == statusSucceeded || e.status == statusAuthorized {
		c.TransactionID = e.transactionID()
	}
	if e.status == statusSucceeded {
		c.Captured, c.Refunded = payment.ListedSum(e.taken()), payment.ListedSum(e.refunded)
	}
	return c
}
