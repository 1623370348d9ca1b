package httpgateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
	"paymentd/ports"
)

const (
	// maxPageBytes bounds a page of the list: a few thousand charges.
	maxPageBytes = 1 << 20
	// createdTolerance is the coarsest unit of time in which a gateway may state when a charge was made.
	createdTolerance = time.Second
)

var (
	pageMembers  = []string{"charges", "next_cursor"}
	entryMembers = []string{
		"key", "order_id", "amount", "currency", "status", "transaction_id", "created", "error", "success", "charged",
		"captured", "refunded",
	}

	errNoCharges  = errors.New("it has no array charges")
	errCursor     = fmt.Errorf("its next_cursor is not 1 to %d printable ASCII characters", payment.MaxLedgerCursorBytes)
	errSameCursor = errors.New("its next_cursor is the cursor of the page itself")
	errListedKey  = errors.New("its key is not 1 to 255 printable ASCII characters without spaces")
)

// Charges returns one page of the gateway's list; see ports.Ledger. The list is that of the protocol: GET
// {base}/charges?from=&to=&cursor=, with times in RFC 3339. A request for it has no key, so that its answer
// has no mark; it counts only if its body is a page of the protocol that comes from no cache.
func (g *Gateway) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	u := *g.charges
	values := url.Values{"from": {wireTime(q.From)}, "to": {wireTime(q.To)}}
	if q.Cursor != "" {
		values.Set("cursor", q.Cursor)
	}
	u.RawQuery = values.Encode()
	a, lost := g.call(ctx, payment.ChargeRef{}, httpcall.Request{Method: http.MethodGet, URL: &u, MaxAnswerBytes: maxPageBytes})
	if lost != nil {
		return payment.LedgerPage{}, fmt.Errorf("list charges: %w", lost)
	}
	switch a.status {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return payment.LedgerPage{}, fmt.Errorf("%w: it answered %s", ports.ErrNoLedger, a.describe())
	default:
		return payment.LedgerPage{}, fmt.Errorf("list charges: %s", a.message())
	}
	page, err := a.page(q)
	if err != nil {
		return payment.LedgerPage{}, fmt.Errorf("list charges: %s", a.unreadable(err))
	}
	return page, nil
}

// wireTime returns a time as the protocol has it.
func wireTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// page reads a page of the list.
func (a answer) page(q payment.LedgerQuery) (payment.LedgerPage, error) {
	if a.tooLong {
		return payment.LedgerPage{}, fmt.Errorf("it is longer than %d bytes", maxPageBytes)
	}
	if !a.fresh() {
		return payment.LedgerPage{}, errCached
	}
	said, err := readObject(a.body, pageMembers)
	if err != nil {
		return payment.LedgerPage{}, err
	}
	var page payment.LedgerPage
	if page.Next, err = said.cursor(q); err != nil {
		return payment.LedgerPage{}, err
	}
	entries, err := said.entries()
	if err != nil {
		return payment.LedgerPage{}, err
	}
	for i, raw := range entries {
		c, err := readEntry(raw)
		if err == nil && outside(c.Created, q) {
			return payment.LedgerPage{}, fmt.Errorf("it has a charge of %s, outside of what was requested", wireTime(c.Created))
		}
		if err != nil {
			page.Unreadable = append(page.Unreadable, fmt.Sprintf("entry %d of the page: %v", i+1, err))
			continue
		}
		page.Charges = append(page.Charges, c)
	}
	return page, nil
}

// outside reports whether a charge made at created is not one that the query asks for.
func outside(created time.Time, q payment.LedgerQuery) bool {
	return created.Before(q.From.Add(-createdTolerance)) || !created.Before(q.To.Add(createdTolerance))
}

// cursor returns the cursor of the next page; empty if there is none.
func (o object) cursor(q payment.LedgerQuery) (string, error) {
	value := o.value("next_cursor")
	if value == nil || string(value) == `""` {
		return "", nil
	}
	cursor := o.text("next_cursor")
	switch {
	case cursor == "" || len(cursor) > payment.MaxLedgerCursorBytes || !printable(cursor, ' '):
		return "", errCursor
	case cursor == q.Cursor:
		return "", errSameCursor // the list would never end
	}
	return cursor, nil
}

// entries returns the elements of the array of charges.
func (o object) entries() ([]json.RawMessage, error) {
	var entries []json.RawMessage
	if value := o.value("charges"); value == nil || json.Unmarshal(value, &entries) != nil {
		return nil, errNoCharges
	}
	return entries, nil
}

// readEntry reads one charge of the list. Its errors are for an operator.
func readEntry(raw []byte) (payment.LedgerCharge, error) {
	o, err := readObject(raw, entryMembers)
	if err != nil {
		return payment.LedgerCharge{}, err
	}
	c := payment.LedgerCharge{Key: payment.GatewayKey(o.text("key"))}
	if c.Key == "" || len(c.Key) > maxKeyBytes || !printable(string(c.Key), '!') {
		return payment.LedgerCharge{}, errListedKey
	}
	if c.OrderID, err = payment.ParseOrderID(o.text("order_id")); err != nil {
		return payment.LedgerCharge{}, listed(c.Key, err)
	}
	// The currency of an old charge may have left ISO 4217 since.
	currency, err := payment.ParseRecordedCurrency(o.text("currency"))
	if err != nil {
		return payment.LedgerCharge{}, listed(c.Key, err)
	}
	if c.Money, err = payment.ParseMoney(o.text("amount"), currency); err != nil {
		return payment.LedgerCharge{}, listed(c.Key, err)
	}
	if c.Created, err = time.Parse(time.RFC3339, strings.ToUpper(o.text("created"))); err != nil {
		return payment.LedgerCharge{}, listed(c.Key, errors.New("its created is not a time of RFC 3339"))
	}
	found, err := o.foundCharge(payment.ChargeRef{Money: c.Money})
	if err != nil {
		return payment.LedgerCharge{}, listed(c.Key, err)
	}
	c.State, c.TransactionID, c.Reference = found.Result, found.TransactionID, found.Reference
	if c.Captured, c.Refunded, err = o.sums(c); err != nil {
		return payment.LedgerCharge{}, listed(c.Key, err)
	}
	return c, nil
}

// listed adds the key of a listed charge to an error.
func listed(key payment.GatewayKey, err error) error {
	return fmt.Errorf("the charge with key %s: %w", key, err)
}
