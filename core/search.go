package core

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Found is what a search has found.
type Found struct {
	// Orders begin with the text, Keys have it as a gateway key.
	Orders []payment.Summary
	Keys   []payment.Summary
	// Operations, such as refunds, have it as their id.
	Operations []payment.Ref
	// More: there are more of one kind than the limit.
	More bool
}

const (
	// maxFound bounds what a search returns of each kind.
	maxFound = 20
	// keyBefore and keyAfter are how long before and after the time in a gateway key its payment may have been
	// created: the clocks of the replica and of the database differ.
	keyBefore = 2 * time.Second
	keyAfter  = 10 * time.Second
	// maxKeysExamined bounds the payments of that time that are read.
	maxKeysExamined = 2000
)

// Search finds payments by the beginning of an order id, by a gateway key, and other operations by their id. It reads
// a bounded number of rows. A gateway key is found if it has a record, or if its order was created when the key was
// made, which a key of this service has within it; the key that a payment of a single round succeeded with is one.
// There is no index of transactions, because it would cost every payment a write.
func (o *Operator) Search(ctx context.Context, text string) (f Found, err error) {
	orders, err := o.store.SearchOrders(ctx, text, maxFound+1)
	if err != nil {
		return Found{}, err
	}
	if f.Operations, err = o.store.SearchOperations(ctx, text, maxFound+1); err != nil {
		return Found{}, err
	}
	query := ports.KeyQuery{Key: payment.GatewayKey(text), Limit: maxFound}
	if made, ok := madeAt(text); ok {
		query.CreatedFrom, query.CreatedBefore, query.Examined = made.Add(-keyBefore), made.Add(keyAfter), maxKeysExamined
	}
	keys, err := o.store.SearchKeys(ctx, query)
	if err != nil {
		return Found{}, err
	}
	f.More = len(orders) > maxFound || len(f.Operations) > maxFound
	orders, f.Operations = orders[:min(len(orders), maxFound)], f.Operations[:min(len(f.Operations), maxFound)]
	if f.Orders, err = o.summaries(ctx, orders); err != nil {
		return Found{}, err
	}
	f.Keys, err = o.summaries(ctx, keys)
	return f, err
}

// summaries returns the payments of orders, in their order. Rows that are not valid are logged.
func (o *Operator) summaries(ctx context.Context, orders []payment.OrderID) ([]payment.Summary, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	page, err := o.store.FindSummaries(ctx, orders)
	for _, unreadable := range page.Unreadable {
		o.logUnreadable(ctx, unreadable)
	}
	byOrder := make(map[payment.OrderID]payment.Summary, len(page.Summaries))
	for _, s := range page.Summaries {
		byOrder[s.OrderID] = s
	}
	var all []payment.Summary
	for _, id := range orders {
		if s, found := byOrder[id]; found {
			all = append(all, s)
		}
	}
	return all, err
}

// madeAt returns the time in a gateway key of this service, which is a UUID of version 7 (RFC 9562, section 5.7).
func madeAt(key string) (time.Time, bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(key, "-", ""))
	if err != nil || len(raw) != 16 || len(key) != 36 || raw[6]>>4 != 7 {
		return time.Time{}, false
	}
	var millis int64
	for _, b := range raw[:6] {
		millis = millis<<8 | int64(b)
	}
	return time.UnixMilli(millis).UTC(), true
}
