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
	pageSize = 100 // the maximum of ListPayments and ListPaymentRefunds
	// maxPages bounds one lookup: ten thousand payments or refunds of the location.
	maxPages = 100
	// maxCursorBytes bounds the cursor of a page, whose length Square does not document.
	maxCursorBytes = 4 << 10

	// clockMargin is how much earlier than the first sending the list begins, because Square's clock
	// sets created_at, and this machine's the time of the sending.
	clockMargin = 10 * time.Minute
	// maxSkew is how far the clocks may differ before the list may begin too late.
	maxSkew = 5 * time.Minute
	// sendingTime bounds how long after the first sending a payment or refund with the key may be created, for
	// every lifetime that a version of this program may have declared.
	sendingTime = 24 * time.Hour
	// maxAge is how far back the list goes if the time of the first sending is not known: the default
	// of ListPayments and ListPaymentRefunds.
	maxAge = 365 * 24 * time.Hour
)

// collection is what a list has. It is the name of the path, and of the member that has the objects.
type collection string

const (
	payments collection = "payments" // ListPayments
	refunds  collection = "refunds"  // ListPaymentRefunds, which has the same parameters
)

// page is one page of a list.
type page struct {
	objects []any
	next    string
	date    time.Time // by Square's clock; zero if the answer has none
}

// listPage reads a page of the location's objects that were created from begin until end, oldest first.
// A zero end is now. If it cannot be read, it returns why.
func (g *Gateway) listPage(ctx context.Context, of collection, begin, end time.Time, limit int, cursor string) (p page, why string) {
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
	a, failed := g.call(ctx, http.MethodGet, []string{"v2", string(of)}, query, nil)
	switch {
	case failed != nil:
		return page{}, failed.message
	case !a.success():
		return page{}, fmt.Sprintf("the list of %s was answered with %s", of, a.describe())
	case !a.versioned():
		return page{}, fmt.Sprintf("the list of %s was not written by Square itself: it has no header %s", of, versionHeader)
	case !a.fresh():
		return page{}, fmt.Sprintf("the list of %s comes from a cache (Age)", of)
	}
	return a.page(of)
}

// page reads a page. Square leaves out the objects if there are none: then there is nothing else.
func (a answer) page(of collection) (p page, why string) {
	p = page{objects: a.body.list(string(of)), next: a.body.text("cursor")}
	for name, value := range a.body {
		if p.objects == nil && value != nil && name != "cursor" && name != "errors" || name == "cursor" && value != p.next {
			return page{}, fmt.Sprintf("the list of %s cannot be read", of)
		}
	}
	if len(p.next) > maxCursorBytes {
		return page{}, fmt.Sprintf("the cursor of the list of %s is too long", of)
	}
	p.date, _ = http.ParseTime(a.header.Get("Date"))
	return p, ""
}

// eachListed calls read with each of the location's objects that were created from begin until end; read reports
// whether it could read it. Unless every page was read, eachListed returns why not.
func (g *Gateway) eachListed(ctx context.Context, of collection, begin, end time.Time, read func(object) bool) (why string) {
	cursor := ""
	for range maxPages {
		p, why := g.listPage(ctx, of, begin, end, pageSize, cursor)
		if why != "" {
			return why
		}
		if skew := g.now().Sub(p.date); !p.date.IsZero() && skew.Abs() > maxSkew {
			return fmt.Sprintf("the clock of this machine and Square's differ by %s, so that %s may be missed; set the clock",
				skew.Abs().Round(time.Second), of)
		}
		for _, value := range p.objects {
			if o, _ := value.(object); !read(o) {
				return fmt.Sprintf("the list of %s has one that cannot be read", of)
			}
		}
		if p.next == "" {
			return ""
		}
		cursor = p.next
	}
	return fmt.Sprintf("the location has more than %d %s since the key was first sent, and not all were read", maxPages*pageSize, of)
}

// list returns the location's payments with this key that were created from begin until end, those that
// take money first. Unless every page was read, it returns why not, and no payments.
func (g *Gateway) list(ctx context.Context, key payment.GatewayKey, begin, end time.Time) (found []*squarePayment, why string) {
	why = g.eachListed(ctx, payments, begin, end, func(o object) bool {
		one := readPayment(o)
		if one != nil && one.reference == string(key) {
			found = append(found, one)
		}
		return one != nil
	})
	if why != "" {
		return nil, why
	}
	slices.SortStableFunc(found, func(a, b *squarePayment) int { return rank(a.status) - rank(b.status) })
	return found, ""
}

// rank orders the states by how much they say of the money.
func rank(status string) int {
	order := []string{statusCompleted, statusApproved, statusPending, "", statusCanceled, statusFailed}
	if i := slices.Index(order, status); i >= 0 {
		return i
	}
	return slices.Index(order, "") // a state that is newer than this program
}

// sentBetween returns the bounds of the creation of every payment or refund with the key.
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
