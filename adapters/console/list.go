package console

import (
	"net/http"
	"net/url"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// listView is the page of all payments.
type listView struct {
	From, Before string
	Payments     []payment.Payment
	Unreadable   int
	Next, First  string
	CSV          string
}

// listQuery is the query in the address of a page. Only the creation time has an index, so that nothing else filters
// all payments.
func listQuery(q url.Values) (query ports.ListQuery, err error) {
	query.Limit = pageSize
	if query.CreatedFrom, err = parseDay(q.Get("from")); err != nil {
		return query, err
	}
	if query.CreatedBefore, err = parseDay(q.Get("before")); err != nil {
		return query, err
	}
	after, err := parseCursor(q.Get("after"))
	query.AfterCreatedAt, query.AfterOrderID = after.CreatedAt, after.OrderID
	return query, err
}

// formDay returns a time as parseDay reads it, with seconds if it has any; empty for none.
func formDay(at time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case at.Second() == 0:
		return at.UTC().Format("2006-01-02T15:04")
	default:
		return at.UTC().Format(time.DateOnly + "T" + time.TimeOnly)
	}
}

// parseDay parses a time in the form of a form field of the type datetime-local, in UTC.
func parseDay(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02", time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() >= 1970 && at.Year() < 9999 {
			return at.UTC(), nil
		}
	}
	return time.Time{}, problem(http.StatusBadRequest, "a time must be written as 2026-03-04T12:00")
}

// showList serves all payments, newest first.
func (c *Console) showList(v *visit) error {
	q := v.QueryParams()
	query, err := listQuery(q)
	if err != nil {
		return err
	}
	page, err := c.service.List(v.Request().Context(), query)
	if err != nil {
		return err
	}
	view := listView{
		From: formDay(query.CreatedFrom), Before: formDay(query.CreatedBefore), Payments: page.Payments, Unreadable: len(page.Unreadable),
		CSV: pageAfter(Root+"/payments.csv", q, ""),
	}
	if page.NextOrderID != "" {
		view.Next = pageAfter(Root+"/payments", q, formatCursor(ports.WaitingCursor{
			DueAt: page.NextCreatedAt, CreatedAt: page.NextCreatedAt, OrderID: page.NextOrderID,
		}))
	}
	if q.Get("after") != "" {
		view.First = pageAfter(Root+"/payments", q, "")
	}
	return c.render(v, http.StatusOK, "list", "Payments", "payments", view)
}
