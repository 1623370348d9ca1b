package audit

import (
	"context"
	"errors"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// maxTries limits the tries of one page or one lookup, and firstPause is the pause after the first,
	// which doubles with each.
	maxTries   = 4
	firstPause = time.Second
)

// query returns the query for the gateway's list, with the margin of the period.
func (a *audit) query() payment.LedgerQuery {
	margin := a.Late + a.capabilities.LookupLag
	return payment.LedgerQuery{From: a.report.From.Add(-margin), To: a.report.To.Add(margin)}
}

// eachCharges calls visit with each page of the gateway's list: its number, its cursor and its charges.
func (a *audit) eachCharges(
	ctx context.Context, phase Phase, visit func(number int, cursor string, charges []payment.LedgerCharge) error,
) error {
	q := a.query()
	share := timeShare{length: q.To.Sub(q.From)}
	a.report.Unreadable, a.report.UnreadableCount = nil, 0
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of the page that is read ahead
	next := a.readAhead(ctx, q)
	for number, done := 0, 0; ; number++ {
		page, err := next()
		if err != nil {
			return err
		}
		cursor := q.Cursor
		if page.Next != "" { // while this one is visited
			q.Cursor = page.Next
			next = a.readAhead(ctx, q)
		}
		a.report.UnreadableCount += len(page.Unreadable)
		room := maxUnreadable - len(a.report.Unreadable)
		a.report.Unreadable = append(a.report.Unreadable, page.Unreadable[:min(room, len(page.Unreadable))]...)
		if err := visit(number, cursor, page.Charges); err != nil {
			return err
		}
		done += len(page.Charges)
		if n := len(page.Charges); n > 0 {
			share.see(page.Charges[0].Created)
			share.see(page.Charges[n-1].Created)
		}
		a.progress(phase, done, share.value())
		if page.Next == "" {
			return nil
		}
	}
}

// readAhead begins to read a page of the list, and returns what waits for it.
func (a *audit) readAhead(ctx context.Context, q payment.LedgerQuery) func() (payment.LedgerPage, error) {
	type result struct {
		page payment.LedgerPage
		err  error
	}
	read := make(chan result, 1)
	go func() {
		page, err := retry(ctx, func() (payment.LedgerPage, error) { return a.gateway.Charges(ctx, q) })
		read <- result{page, err}
	}()
	return func() (payment.LedgerPage, error) {
		r := <-read
		return r.page, r.err
	}
}

// eachSummaries calls visit with each page of the payments that were created in the period.
func (a *audit) eachSummaries(ctx context.Context, visit func(ports.SummaryPage) error) error {
	q := ports.SummaryQuery{CreatedFrom: a.report.From, CreatedBefore: a.report.To, Limit: ports.MaxSummaries}
	share := timeShare{first: q.CreatedFrom, length: q.CreatedBefore.Sub(q.CreatedFrom)}
	for done := 0; ; {
		page, err := retry(ctx, func() (ports.SummaryPage, error) { return a.payments.ListSummaries(ctx, q) })
		if err != nil {
			return err
		}
		if err := visit(page); err != nil {
			return err
		}
		done += len(page.Summaries)
		share.see(page.NextCreatedAt)
		a.progress(PhasePayments, done, share.value())
		if page.NextOrderID == "" {
			return nil
		}
		q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
	}
}

func (a *audit) find(ctx context.Context, orders []payment.OrderID) (ports.SummaryPage, error) {
	return retry(ctx, func() (ports.SummaryPage, error) { return a.payments.FindSummaries(ctx, orders) })
}

// retry reads a page, several times if it must. Nothing is known of the cause of an error except that a
// gateway without a list will not have one later.
func retry[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for tries, pause := 1, firstPause; ; tries, pause = tries+1, 2*pause {
		page, err := read()
		if err == nil || errors.Is(err, ports.ErrNoLedger) || errors.Is(err, ports.ErrNotFound) || tries == maxTries || sleep(ctx, pause) != nil {
			return page, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pacer limits the rate of calls.
type pacer struct {
	interval time.Duration
	next     time.Time
}

// wait sleeps until the next call may be made.
func (p *pacer) wait(ctx context.Context) error {
	now := time.Now()
	if wait := p.next.Sub(now); wait > 0 {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		now = p.next
	}
	p.next = now.Add(p.interval)
	return nil
}

func (a *audit) progress(phase Phase, done int, share float64) {
	if a.Progress != nil {
		a.Progress(Progress{Phase: phase, Done: done, Share: share})
	}
}

// timeShare estimates how much of a period was read, in either direction.
type timeShare struct {
	first, last time.Time
	length      time.Duration
}

func (s *timeShare) see(t time.Time) {
	if s.first.IsZero() {
		s.first = t
	}
	s.last = t
}

func (s *timeShare) value() float64 {
	if s.last.IsZero() || s.length <= 0 {
		return 1
	}
	return min(1, s.last.Sub(s.first).Abs().Seconds()/s.length.Seconds())
}
