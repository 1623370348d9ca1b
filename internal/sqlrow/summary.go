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
