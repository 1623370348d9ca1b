package sqlrow

import (
	"paymentd/core/payment"
	"paymentd/ports"
)

// Summary returns the summary of a row with this amount. With an error, which is a
// *payment.StoredRowError, it has all but the amount.
func Summary(s payment.Summary, minor int64, currency string) (payment.Summary, error) {
	money, err := payment.StoredMoney(s.OrderID, minor, currency)
	if err != nil {
		return s, err
	}
	s.Money = money
	return s, s.Validate()
}

// SummaryPage returns a page of at most limit rows. If there are more rows, another page follows.
func SummaryPage[R any](rows []R, limit int, from func(R) (payment.Summary, error)) (page ports.SummaryPage, err error) {
	more := len(rows) > limit
	if more {
		rows = rows[:limit]
	}
	page.Summaries = make([]payment.Summary, 0, len(rows))
	for i, row := range rows {
		s, err := from(row)
		if err := Collect(&page.Summaries, &page.Unreadable, s, err); err != nil {
			return page, err
		}
		if more && i == limit-1 {
			page.NextCreatedAt, page.NextOrderID = s.CreatedAt, s.OrderID
		}
	}
	return page, nil
}

// RefundSummary is [Summary] for a refund.
func RefundSummary(r payment.RefundSummary, minor int64, currency string) (payment.RefundSummary, error) {
	money, err := payment.StoredMoney(r.OrderID, minor, currency)
	if err != nil {
		return r, OfOperation(err)
	}
	r.Money = money
	return r, r.Validate()
}

// RefundPage returns the refunds of rows.
func RefundPage[R any](rows []R, from func(R) (payment.RefundSummary, error)) (page ports.RefundPage, err error) {
	page.Refunds = make([]payment.RefundSummary, 0, len(rows))
	for _, row := range rows {
		r, err := from(row)
		if err := Collect(&page.Refunds, &page.Unreadable, r, err); err != nil {
			return page, err
		}
	}
	return page, nil
}
