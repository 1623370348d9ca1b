package console

import (
	"net/http"
	"strings"
	"time"

	"paymentd/core"
	"paymentd/ports"
)

// transactionView is the page of a search for a transaction.
type transactionView struct {
	Transaction, From, Before string
	core.TransactionsFound

	Searched bool
	Next     string // the address of the rest of the period; empty if all of it was searched
}

// showTransaction serves the payments of a period that have a transaction. Without a period, the form has the last
// 24 hours.
func (c *Console) showTransaction(v *visit) error {
	q := v.QueryParams()
	from, err := parseDay(q.Get("from"))
	if err != nil {
		return err
	}
	before, err := parseDay(q.Get("before"))
	if err != nil {
		return err
	}
	view := transactionView{Transaction: strings.TrimSpace(q.Get("transaction")), From: formDay(from), Before: formDay(before)}
	if view.Transaction == "" || from.IsZero() {
		if from.IsZero() {
			view.From = formDay(v.now.Add(-24 * time.Hour))
		}
		return c.render(v, http.StatusOK, "transaction", "Find a transaction", "search", view)
	}
	search := core.TransactionSearch{Transaction: view.Transaction, CreatedFrom: from, CreatedBefore: before}
	if before.IsZero() {
		search.CreatedBefore = v.now.Add(time.Hour)
	}
	after, err := parseCursor(q.Get("after"))
	if err != nil {
		return err
	}
	search.AfterCreatedAt, search.AfterOrderID = after.CreatedAt, after.OrderID
	found, err := c.service.SearchTransaction(v.Request().Context(), search)
	if err != nil {
		return err
	}
	view.TransactionsFound, view.Searched = found, true
	if found.NextOrderID != "" {
		view.Next = pageAfter(Root+"/search/transaction", q, formatCursor(ports.WaitingCursor{
			DueAt: found.NextCreatedAt, CreatedAt: found.NextCreatedAt, OrderID: found.NextOrderID,
		}))
	}
	return c.render(v, http.StatusOK, "transaction", "Find a transaction", "search", view)
}
