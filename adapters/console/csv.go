package console

import (
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"paymentd/core/payment"
)

const (
	// maxCSVRows bounds a download. Further rows are in the next one, from the last time on.
	maxCSVRows = 10_000
	// csvPage is how many rows are read at once.
	csvPage = 500
)

var csvHead = []string{
	"order_id", "state", "amount", "currency", "gateway", "transaction_id", "code", "reason", "attempts", "created_at", "updated_at", "due_at", "captured",
}

// csvRow returns a payment as a row.
func csvRow(p payment.Payment) []string {
	captured := ""
	if taken, held := p.CapturedHold(); held {
		captured = taken.Decimal()
	}
	return []string{
		cell(string(p.OrderID)), string(p.State), p.Money.Decimal(), p.Money.Currency().Code(), cell(string(p.Gateway)), cell(p.TransactionID), cell(p.Code),
		cell(p.Reason), strconv.Itoa(p.Attempts()), csvTime(p.CreatedAt), csvTime(p.UpdatedAt), csvTime(p.DueAt), captured,
	}
}

// cell keeps spreadsheets from taking a text for a formula.
func cell(text string) string {
	if strings.IndexAny(text, "=+-@\t\r") == 0 {
		return "'" + text
	}
	return text
}

func csvTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// download writes rows as they are read, page by page. page returns the next rows, and whether more follow.
func (c *Console) download(v *visit, name string, page func(context.Context) ([]payment.Payment, bool, error)) error {
	rows, more, err := page(v.Request().Context())
	if err != nil {
		return err // nothing was sent yet
	}
	header := v.Response().Header()
	header.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	header.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	v.Response().WriteHeader(http.StatusOK)
	w := csv.NewWriter(v.Response())
	deadlines := http.NewResponseController(v.Response())
	_ = w.Write(csvHead) // Flush returns the error
	for sent := 0; ; {
		for _, p := range rows {
			_ = w.Write(csvRow(p))
		}
		_ = deadlines.SetWriteDeadline(time.Now().Add(c.options.WriteTimeout))
		w.Flush()
		sent += len(rows)
		if err := w.Error(); err != nil || !more || sent >= maxCSVRows {
			return err
		}
		if rows, more, err = page(v.Request().Context()); err != nil {
			return err
		}
	}
}

// waitingCSV serves what waits as CSV.
func (c *Console) waitingCSV(v *visit) error {
	filter, err := waitingFilter(v.QueryParams())
	if err != nil {
		return err
	}
	filter.Limit = csvPage
	return c.download(v, "waiting.csv", func(ctx context.Context) ([]payment.Payment, bool, error) {
		page, err := c.service.Waiting(ctx, filter)
		filter.After = page.Next
		return page.Payments, !page.Next.DueAt.IsZero(), err
	})
}

// listCSV serves all payments as CSV.
func (c *Console) listCSV(v *visit) error {
	query, err := listQuery(v.QueryParams())
	if err != nil {
		return err
	}
	query.Limit = csvPage
	return c.download(v, "payments.csv", func(ctx context.Context) ([]payment.Payment, bool, error) {
		page, err := c.service.List(ctx, query)
		query.AfterCreatedAt, query.AfterOrderID = page.NextCreatedAt, page.NextOrderID
		return page.Payments, page.NextOrderID != "", err
	})
}
