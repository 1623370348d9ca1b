package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"paymentd/core/payment"
)

// listedCharge is a charge in a page of the list.
type listedCharge struct {
	Key           string `json:"key"`
	OrderID       string `json:"order_id"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	Status        string `json:"status"`
	TransactionID string `json:"transaction_id,omitempty"`
	Created       string `json:"created"`
	Captured      string `json:"captured,omitempty"`
	Refunded      string `json:"refunded,omitempty"`
}

// list serves GET /charges?from=&to=&cursor=.
func (h handler) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	from, errFrom := time.Parse(time.RFC3339, query.Get("from"))
	to, errTo := time.Parse(time.RFC3339, query.Get("to"))
	if errFrom != nil || errTo != nil {
		reply{status: http.StatusBadRequest, message: "from and to must be times of RFC 3339, such as 2026-03-01T00:00:00Z"}.write(w, r)
		return
	}
	page, err := h.gateway.Charges(r.Context(), payment.LedgerQuery{From: from, To: to, Cursor: query.Get("cursor")})
	if err != nil {
		status := http.StatusBadRequest
		if h.gateway.ledger.failure() != nil {
			status = http.StatusInternalServerError
		}
		reply{status: status, message: err.Error()}.write(w, r)
		return
	}
	charges := make([]listedCharge, len(page.Charges))
	for i, c := range page.Charges {
		charges[i] = listedCharge{
			Key: string(c.Key), OrderID: c.OrderID.String(), Amount: c.Money.Decimal(), Currency: c.Money.Currency().Code(),
			Status: statusOf(c.State), TransactionID: c.TransactionID, Created: c.Created.UTC().Format(time.RFC3339Nano),
			Captured: sumOf(c.Captured, c.Money.Currency()), Refunded: sumOf(c.Refunded, c.Money.Currency()),
		}
	}
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false) // keeps the longest page below a megabyte
	_ = e.Encode(struct {  //nolint:errchkjson // strings always encode
		Charges []listedCharge `json:"charges"`
		Next    string         `json:"next_cursor,omitempty"`
	}{charges, page.Next})
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body.Bytes()) // an error here is the client's connection
}

// statusOf returns the status of the protocol for the state of a listed charge.
func statusOf(state payment.LookupResult) string {
	for status, s := range listedStates {
		if s == state {
			return status
		}
	}
	return ""
}

// sumOf returns a sum of the list; empty if the charge has none.
func sumOf(sum payment.LedgerSum, currency payment.Currency) string {
	if !sum.Listed {
		return ""
	}
	return currency.Decimal(sum.Minor)
}
