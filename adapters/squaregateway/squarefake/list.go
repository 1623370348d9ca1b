package squarefake

import (
	"net/url"
	"slices"
	"strconv"
	"time"
)

const maxPage = 100

// query is what the fake reads of the parameters of ListPayments and ListPaymentRefunds.
type query struct {
	begin, end time.Time
	limit      int
	skip       int // the cursor
	ascending  bool
	elsewhere  bool // another location
}

// list is ListPayments: the location's payments as they were a lag ago, newest first unless sorted.
func (s *Server) list(values url.Values) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, wrong := s.query(values)
	if wrong != "" {
		return invalid("INVALID_VALUE", wrong)
	}
	visible := s.now().Add(-s.o.Lag)
	var matching []*paymentBody
	for _, r := range s.payments {
		s.expire(r)
		status := at(r.History, visible)
		if r.ID != "" && status != "" && q.has(r.CreatedAt) {
			matching = append(matching, s.payment(r, status))
		}
	}
	matching, cursor := pageOf(matching, q)
	return ok(answerBody{Payments: matching, Cursor: cursor})
}

// listRefunds is ListPaymentRefunds: the location's refunds as they were a lag ago, newest first unless sorted.
func (s *Server) listRefunds(values url.Values) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, wrong := s.query(values)
	if wrong != "" {
		return invalid("INVALID_VALUE", wrong)
	}
	visible := s.now().Add(-s.o.Lag)
	var records []*refundRecord
	for _, r := range s.payments {
		for _, refund := range r.Refunds {
			if at(refund.History, visible) != "" && q.has(refund.CreatedAt) {
				records = append(records, refund)
			}
		}
	}
	slices.SortStableFunc(records, func(a, b *refundRecord) int { return a.CreatedAt.Compare(b.CreatedAt) })
	records, cursor := pageOf(records, q)
	var matching []*refundBody
	for _, r := range records {
		matching = append(matching, s.refundBody(r, at(r.History, visible)))
	}
	return ok(answerBody{Refunds: matching, Cursor: cursor})
}

// has reports whether what was created then is in the list.
func (q query) has(created time.Time) bool {
	return !q.elsewhere && !created.Before(q.begin) && !created.After(q.end)
}

// pageOf returns the page of everything that matches, oldest first, and the cursor of the next one.
func pageOf[T any](matching []T, q query) (page []T, cursor string) {
	if !q.ascending {
		slices.Reverse(matching)
	}
	page = matching[min(q.skip, len(matching)):]
	if len(page) > q.limit {
		page, cursor = page[:q.limit], "c"+strconv.Itoa(q.skip+q.limit)
	}
	return page, cursor
}

// at returns the state at a moment; empty if there was none.
func at(history []state, moment time.Time) (status string) {
	for _, was := range history {
		if !was.Since.After(moment) {
			status = was.Status
		}
	}
	return status
}

// query parses the parameters. If one is wrong, it returns its name.
func (s *Server) query(values url.Values) (q query, wrong string) {
	now := s.now()
	q = query{begin: now.AddDate(-1, 0, 0), end: now, limit: maxPage}
	var err error
	for name := range values {
		value := values.Get(name)
		switch name {
		case "begin_time":
			q.begin, err = time.Parse(time.RFC3339, value)
		case "end_time":
			q.end, err = time.Parse(time.RFC3339, value)
		case "limit":
			q.limit, err = strconv.Atoi(value)
			q.limit = min(q.limit, maxPage)
		case "cursor":
			q.skip, err = cursorOf(value)
		case "sort_order":
			q.ascending = value == "ASC"
		case "location_id":
			q.elsewhere = value != "" && value != s.o.Location
		default:
			return q, name
		}
		if err != nil {
			return q, name
		}
	}
	if q.end.Before(q.begin) || q.limit < 1 {
		return q, "begin_time"
	}
	return q, ""
}

func cursorOf(text string) (int, error) {
	if len(text) < 2 || text[0] != 'c' {
		return 0, errCursor
	}
	return strconv.Atoi(text[1:])
}
