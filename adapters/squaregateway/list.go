package squaregateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"paymentd/core/payment"
)

const (
	pageSize = 100 // the maximum of ListPayments
	// maxPages bounds one lookup: ten thousand payments of the location.
	maxPages = 100
	// maxCursorBytes bounds the cursor of a page, whose length Square does not document.
	maxCursorBytes = 4 << 10

	// clockMargin is how much earlier than the first sending the list begins, because Square's clock
	// sets created_at, and this machine's the time of the sending.
	clockMargin = 10 * time.Minute
	// maxSkew is how far the clocks may differ before the list may begin too late.
	maxSkew = 5 * time.Minute
	// sendingTime bounds how long after the first sending a payment with the key may be created, for
	// every lifetime that a version of this program may have declared.
	sendingTime = 24 * time.Hour
	// maxAge is how far back the list goes if the time of the first sending is not known: the default
	// of ListPayments.
	maxAge = 365 * 24 * time.Hour
)

// page is one page of ListPayments.
type page struct {
	payments []any // Payment objects
	next     string
	date     time.Time // by Square's clock; zero if the answer has none
}

// listPage reads a page of the location's payments that were created from begin until end, oldest first.
// A zero end is now. If it cannot be read, it returns why.
func (g *Gateway) listPage(ctx context.Context, begin, end time.Time, limit int, cursor string) (p page, why string) {
	query := url.Values{
		"location_id": {g.location}, "sort_order": {"ASC"}, "limit": {strconv.Itoa(limit)},
		"begin_time": {begin.UTC().Format(time.RFC3339Nano)},
	}
	if !end.IsZero() {
		query.Set("end_time", end.UTC().Format(time.RFC3339Nano))
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	a, failed := g.call(ctx, http.MethodGet, []string{"v2/payments"}, query, nil)
	switch {
	case failed != nil:
		return page{}, failed.message
	case !a.success():
		return page{}, "the list of payments was answered with " + a.describe()
	case !a.versioned():
		return page{}, "the list of payments was not written by Square itself: it has no header " + versionHeader
	case !a.fresh():
		return page{}, "the list of payments comes from a cache (Age)"
	}
	return a.page()
}

// page reads a page. Square leaves out the payments if there are none: then there is nothing else.
func (a answer) page() (p page, why string) {
	p = page{payments: a.body.list("payments"), next: a.body.text("cursor")}
	for name, value := range a.body {
		if p.payments == nil && value != nil && name != "cursor" && name != "errors" || name == "cursor" && value != p.next {
			return page{}, "the list of payments cannot be read"
		}
	}
	if len(p.next) > maxCursorBytes {
		return page{}, "the cursor of the list of payments is too long"
	}
	p.date, _ = http.ParseTime(a.header.Get("Date"))
	return p, ""
}

// list returns the location's payments with this key that were created from begin until end, those that
// take money first. Unless every page was read, it returns why not, and no payments.
func (g *Gateway) list(ctx context.Context, key payment.GatewayKey, begin, end time.Time) (found []*squarePayment, why string) {
	cursor := ""
	for range maxPages {
		p, why := g.listPage(ctx, begin, end, pageSize, cursor)
		if why != "" {
			return nil, why
		}
		if skew := g.now().Sub(p.date); !p.date.IsZero() && skew.Abs() > maxSkew {
			return nil, fmt.Sprintf("the clock of this machine and Square's differ by %s, so that payments may be missed; set the clock",
				skew.Abs().Round(time.Second))
		}
		for _, value := range p.payments {
			o, _ := value.(object)
			one := readPayment(o)
			if one == nil {
				return nil, "the list of payments has one that cannot be read"
			}
			if one.reference == string(key) {
				found = append(found, one)
			}
		}
		if p.next == "" {
			slices.SortStableFunc(found, func(a, b *squarePayment) int { return rank(a.status) - rank(b.status) })
			return found, ""
		}
		cursor = p.next
	}
	return nil, fmt.Sprintf("the location has more than %d payments since the key was first sent, and not all were read", maxPages*pageSize)
}

// rank orders the states by how much they say of the money.
func rank(status string) int {
	order := []string{statusCompleted, statusApproved, statusPending, "", statusCanceled, statusFailed}
	if i := slices.Index(order, status); i >= 0 {
		return i
	}
	return slices.Index(order, "") // a state that is newer than this program
}

// sentBetween returns the bounds of the creation of every payment of the charge.
func (g *Gateway) sentBetween(ref payment.ChargeRef) (begin, end time.Time) {
	now := g.now()
	if ref.Sent.IsZero() {
		return now.Add(-maxAge), time.Time{}
	}
	end = ref.Sent.Add(sendingTime + clockMargin)
	if end.After(now) {
		end = time.Time{}
	}
	return ref.Sent.Add(-clockMargin), end
}
