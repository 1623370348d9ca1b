package stripegateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"

	"paymentd/core/payment"
)

const (
	pageSize = 100 // the most that Stripe returns (docs.stripe.com/api/pagination)
	// maxLookupPages bounds the list of a lookup: Stripe's budget for reads is 500 requests for each
	// transaction on average (docs.stripe.com/rate-limits).
	maxLookupPages = 10
	// maxClockSkew is how far this machine's clock may be ahead of Stripe's.
	maxClockSkew = 5 * time.Minute
)

// LookUp looks up a charge or another operation; see ports.Gateway.
func (g *Gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := g.withTimeout(ctx)
	defer cancel()
	switch ref.Operation.Kind {
	case payment.KindCharge:
		return g.lookUpCharge(ctx, ref)
	case payment.KindCapture, payment.KindVoid:
		return g.lookUpHold(ctx, ref)
	case payment.KindRefund:
		return g.lookUpRefund(ctx, ref)
	}
	return noAnswer(fmt.Errorf("Stripe is not asked about a %s by this version", ref.Operation.Kind)) //nolint:staticcheck // a name
}

// lookUpCharge looks up a charge. It cancels a PaymentIntent that was declined, so that nothing can confirm it
// later.
func (g *Gateway) lookUpCharge(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	i, none := g.find(ctx, ref)
	if none != nil {
		return *none
	}
	if i.confirmable(i.readAt) {
		after, err := g.cancelIntent(ctx, i.id)
		if err != nil {
			return noAnswer(err)
		}
		if after.last.kind == "" { // the answer to a cancellation does not have the failed charge
			after.last = i.last
		}
		return after.found()
	}
	return i.found()
}

// readIntent is an intent, and when it was read by Stripe's clock.
type readIntent struct {
	intent

	readAt time.Time
}

// find returns the PaymentIntent of a charge. If there is none or Stripe gave no answer, it returns that.
func (g *Gateway) find(ctx context.Context, ref payment.ChargeRef) (readIntent, *payment.Lookup) {
	if ref.Key == "" {
		l := noAnswer(errNoKey)
		return readIntent{}, &l
	}
	id := ref.Reference
	if id == "" && validIntentID(ref.TransactionID) { // of a success or a hold
		id = ref.TransactionID
	}
	if id == "" {
		var err error
		if id, err = g.findByKey(ctx, ref); err != nil {
			l := noAnswer(err)
			return readIntent{}, &l
		}
	}
	if id == "" {
		return readIntent{}, &payment.Lookup{
			Result: payment.FoundNothing, Message: "no PaymentIntent has the gateway key in its metadata",
		}
	}
	i, err := g.intentAt(ctx, id)
	if err == nil {
		err = i.check(ref.Key, ref.Money, g.live)
	}
	if err != nil {
		l := noAnswer(fmt.Errorf("the PaymentIntent %s cannot be used: %w", quote(id), err))
		return readIntent{}, &l
	}
	return i, nil
}

func quote(id string) string {
	return strconv.Quote(id[:min(len(id), 40)])
}

// intent reads a PaymentIntent.
func (g *Gateway) intent(ctx context.Context, id string) (intent, error) {
	i, err := g.intentAt(ctx, id)
	return i.intent, err
}

// intentAt reads a PaymentIntent by its id, which is never behind (docs.stripe.com/api/payment_intents/retrieve).
func (g *Gateway) intentAt(ctx context.Context, id string) (readIntent, error) {
	if !validIntentID(id) { // it is a part of the path: an empty one would list all intents
		return readIntent{}, errNoIntent
	}
	a, lost := g.get(ctx, intentsPath+"/"+id, url.Values{"expand[]": {"latest_charge"}})
	switch {
	case lost != nil:
		return readIntent{}, lost
	case !a.read("payment_intent"):
		return readIntent{}, errors.New(a.unmarkedRead())
	case a.Status != http.StatusOK:
		// 404 as well: an answer has named this intent, so the account or the mode is another one.
		return readIntent{}, errors.New(a.describe())
	}
	i, err := intentOf(a.body)
	if err == nil && i.id != id {
		err = errNoIntent
	}
	return readIntent{i, a.date()}, err
}

// unmarkedRead describes an answer to a GET that is not Stripe's own.
func (a answer) unmarkedRead() string {
	switch {
	case !a.fresh():
		return a.unmarked("it comes from a cache (Age)")
	case a.Header.Get(requestHeader) == "":
		return a.unmarked("it has no header " + requestHeader)
	case a.err != nil:
		return a.unmarked("its body cannot be read: " + a.err.Error())
	}
	return a.unmarked("its body is not of Stripe's schema")
}

// date returns Stripe's time, or the zero time if the answer has none.
func (a answer) date() time.Time {
	at, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// findByKey returns the id of the PaymentIntent with the key in its metadata, or "" if there is none. The
// list API is for reading what was just written, but a list that is too long cannot be read completely.
// Then the search decides, whose lag [payment.Capabilities] declares.
func (g *Gateway) findByKey(ctx context.Context, ref payment.ChargeRef) (string, error) {
	id, complete, err := g.findInList(ctx, ref)
	if err != nil || id != "" || complete {
		return id, err
	}
	id, err = g.search(ctx, ref.Key)
	if err != nil || id != "" {
		return id, err
	}
	if g.capabilities.LookupLag < LookupLag {
		return "", errors.New("Stripe has too many PaymentIntents since the charge was sent to list them all, and its " + //nolint:staticcheck // a name
			"search may be an hour behind")
	}
	return "", nil
}

// findInList pages through the intents that were created since the key was sent first. complete means that
// all of them were read.
func (g *Gateway) findInList(ctx context.Context, ref payment.ChargeRef) (id string, complete bool, err error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if !ref.Sent.IsZero() {
		query.Set("created[gte]", strconv.FormatInt(ref.Sent.Add(-maxClockSkew).Unix(), 10))
	}
	var found []intent
	for range maxLookupPages {
		page, err := g.page(ctx, intentList, query)
		if err != nil {
			return "", false, err
		}
		for _, o := range page.data {
			if i, err := intentOf(o); err == nil && i.key == ref.Key {
				found = append(found, i)
			}
		}
		if !page.more {
			return best(found), true, nil
		}
		query.Set("starting_after", page.last)
	}
	return best(found), false, nil
}

// best returns the id of the intent that counts: with money before undecided before none. A key has one
// intent, unless Stripe had forgotten the key.
func best(found []intent) string {
	id, rank := "", 0
	for _, i := range found {
		r := 1
		switch i.status {
		case stripe.PaymentIntentStatusSucceeded:
			r = 4
		case stripe.PaymentIntentStatusRequiresCapture, stripe.PaymentIntentStatusProcessing:
			r = 3
		case stripe.PaymentIntentStatusRequiresAction:
			r = 2
		default:
		}
		if r > rank {
			id, rank = i.id, r
		}
	}
	return id
}

// search returns the id of the intent with the key in its metadata. It is not available in India, and lags
// (docs.stripe.com/search).
func (g *Gateway) search(ctx context.Context, key payment.GatewayKey) (string, error) {
	value := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(key))
	page, err := g.page(ctx, intentSearch, url.Values{
		"query": {`metadata["` + metaKey + `"]:"` + value + `"`}, "limit": {strconv.Itoa(pageSize)},
	})
	if err != nil {
		return "", err
	}
	var found []intent
	for _, o := range page.data {
		if i, err := intentOf(o); err == nil && i.key == key { // a search matches regardless of case
			found = append(found, i)
		}
	}
	return best(found), nil
}

// listing is a list or a search of Stripe's.
type listing struct {
	path    string
	kind    string            // of its answer
	validID func(string) bool // of its objects
}

var (
	intentList   = listing{intentsPath, "list", validIntentID}
	intentSearch = listing{intentsPath + "/search", "search_result", validIntentID}
	refundList   = listing{refundsPath, "list", validRefundID}
)

// listPage is a page of a list or a search.
type listPage struct {
	data []object
	more bool
	last string // the id of the last object
}

var errNoPage = errors.New("the answer of Stripe is no complete page of a list")

func (g *Gateway) page(ctx context.Context, l listing, query url.Values) (listPage, error) {
	a, lost := g.get(ctx, l.path, query)
	switch {
	case lost != nil:
		return listPage{}, lost
	case !a.read(l.kind):
		return listPage{}, errors.New(a.unmarkedRead())
	case a.Status != http.StatusOK:
		return listPage{}, errors.New(a.describe())
	}
	data, isList := a.body.objects("data")
	more, said := a.body.boolean("has_more")
	if !isList || !said || more && len(data) == 0 {
		return listPage{}, errNoPage
	}
	p := listPage{data: data, more: more}
	if more {
		if p.last = data[len(data)-1].text("id"); !l.validID(p.last) {
			return listPage{}, errNoPage
		}
	}
	return p, nil
}
