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

// formTime is the layout of a form field of the type datetime-local.
const formTime = "2006-01-02T15:04"

// showTransaction serves the payments of a period that have a transaction. Without a period, the form has the last
// 24 hours.
func (c *Console) showTransaction(v *visit) error {
	q := v.QueryParams()
	view := transactionView{Transaction: strings.TrimSpace(q.Get("transaction")), From: q.Get("from"), Before: q.Get("before")}
	if view.Transaction == "" || view.From == "" {
		if view.From == "" {
			view.From = v.now.UTC().Add(-24 * time.Hour).Format(formTime)
		}
		return c.render(v, http.StatusOK, "transaction", "Find a transaction", "search", view)
	}
	search := core.TransactionSearch{Transaction: view.Transaction, CreatedBefore: v.now.Add(time.Hour)}
	from, err := parseDay(view.From)
	if err != nil {
		return err
	}
	search.CreatedFrom = from
	if view.Before != "" {
		if search.CreatedBefore, err = parseDay(view.Before); err != nil {
			return err
		}
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
