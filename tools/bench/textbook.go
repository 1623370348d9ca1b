package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

const textbookConnections = 10 // a usual default of connection pools

// textbookPayer pays through a service as textbooks describe it: one transaction that locks the row of
// the payment, calls the gateway, and commits; with the defaults of its libraries.
type textbookPayer struct {
	*httpPayer

	db      *sql.DB
	gateway *gatewayClient
	server  *httptest.Server
	cancel  context.CancelFunc
	aborted atomic.Bool
}

func newTextbookPayer(ctx context.Context, db *sql.DB, gateway *gatewayClient, clients int) *textbookPayer {
	ctx, cancel := context.WithCancel(ctx)
	p := &textbookPayer{db: db, gateway: gateway, cancel: cancel}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	p.server.Start()
	p.httpPayer = newHTTPPayer(p.server.URL, "", clients)
	return p
}

func (p *textbookPayer) serve(w http.ResponseWriter, r *http.Request) {
	var request struct {
		OrderID string      `json:"order_id"`
		Amount  json.Number `json:"amount"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	transaction, err := p.process(r.Context(), request.OrderID)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "success", "transaction_id": transaction}) //nolint:errchkjson // only the connection can fail
}

func (p *textbookPayer) process(ctx context.Context, order string) (string, error) {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO textbook "+
		"(order_id, amount_minor, currency, state, gateway_key, created_at, updated_at) VALUES "+insertValues,
		order, amountMinor, gatewayKey(order)); err != nil {
		return "", err
	}
	var state, transaction string
	if err := tx.QueryRowContext(ctx, "SELECT state, transaction_id FROM textbook WHERE order_id = ? FOR UPDATE",
		order).Scan(&state, &transaction); err != nil {
		return "", err
	}
	if state == "succeeded" {
		return transaction, nil
	}
	if transaction, err = p.gateway.charge(ctx, order); err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(updateRow, textbook)+"? WHERE order_id = ?", transaction, order); err != nil {
		return "", err
	}
	return transaction, tx.Commit()
}

func (p *textbookPayer) pay(ctx context.Context, client int, order string) error {
	err := p.httpPayer.pay(ctx, client, order)
	if err != nil && p.aborted.Load() {
		return errAborted
	}
	return err
}

// abort cancels the payments in flight: with a thousand clients and ten connections, the last of them
// would take seconds.
func (p *textbookPayer) abort() {
	p.aborted.Store(true)
	p.cancel()
}

func (p *textbookPayer) close() error {
	p.client.CloseIdleConnections()
	p.server.Close()
	p.gateway.transport.CloseIdleConnections()
	return p.db.Close()
}
