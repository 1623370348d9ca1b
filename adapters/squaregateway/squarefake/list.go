package squarefake

import (
	"net/url"
	"slices"
	"strconv"
	"time"
)

const maxPage = 100

// query is what the fake reads of the parameters of ListPayments.
type query struct {
	begin, end time.Time
	limit      int
	skip       int // the cursor
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
		status := r.at(visible)
		if r.ID == "" || status == "" || r.CreatedAt.Before(q.begin) || r.CreatedAt.After(q.end) {
			continue
		}
		matching = append(matching, s.payment(r, status))
	}
	if values.Get("sort_order") != "ASC" {
		slices.Reverse(matching)
	}
	if location := values.Get("location_id"); location != "" && location != s.o.Location {
		matching = nil
	}
	matching = matching[min(q.skip, len(matching)):]
	var cursor string
	if len(matching) > q.limit {
		matching, cursor = matching[:q.limit], "c"+strconv.Itoa(q.skip+q.limit)
	}
	return ok(answerBody{Payments: matching, Cursor: cursor})
}

// at returns the state that the payment had at a moment; empty if it did not exist.
func (r *record) at(moment time.Time) (status string) {
	for _, was := range r.History {
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
		case "sort_order", "location_id":
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
