package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
)

// paymentsTable has the fewest columns that payments need. Each contender but paymentd has one.
const paymentsTable = `CREATE TABLE %s (
	order_id       VARBINARY(128) NOT NULL,
	amount_minor   BIGINT         NOT NULL,
	currency       CHAR(3)        NOT NULL,
	state          VARCHAR(16)    NOT NULL,
	gateway_key    VARCHAR(64)    NOT NULL,
	transaction_id VARBINARY(255) NOT NULL DEFAULT '',
	created_at     DATETIME(6)    NOT NULL,
	updated_at     DATETIME(6)    NOT NULL,
	PRIMARY KEY (order_id)
) ENGINE = InnoDB`

const (
	insertColumns = " (order_id, amount_minor, currency, state, gateway_key, created_at, updated_at) " +
		"VALUES (?, ?, 'USD', 'processing', ?, NOW(6), NOW(6))"
	updateColumns = " SET state = 'succeeded', updated_at = NOW(6), transaction_id = ? WHERE order_id = ?"

	bareConnections     = 64
	textbookConnections = 10 // a usual default of connection pools
)

// barePayer is the bare loop: two statements, each its own commit, and the gateway call between.
type barePayer struct {
	db      *sql.DB
	gateway *gatewayClient
}

func (p *barePayer) pay(ctx context.Context, _ int, order string) error {
	if err := p.change(ctx, "INSERT INTO bare"+insertColumns, order, amountMinor, gatewayKey(order)); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	transaction, err := p.gateway.charge(ctx, order)
	if err != nil {
		return err
	}
	if err := p.change(ctx, "UPDATE bare"+updateColumns, transaction, order); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

// change runs a statement that has to change one row.
func (p *barePayer) change(ctx context.Context, statement string, values ...any) error {
	result, err := p.db.ExecContext(ctx, statement, values...)
	if err != nil {
		return err
	}
	changed, err := result.RowsAffected()
	if err == nil && changed != 1 {
		return fmt.Errorf("%d rows changed, not one", changed)
	}
	return err
}

func (p *barePayer) close() { p.gateway.transport.CloseIdleConnections() }

// textbookPayer pays through a service as textbooks describe it: one transaction that locks the row of
// the payment, calls the gateway, and commits; with the defaults of its libraries.
type textbookPayer struct {
	*httpPayer

	db      *sql.DB
	gateway *gatewayClient
	server  *httptest.Server
}

func newTextbookPayer(db *sql.DB, gateway *gatewayClient, clients int) *textbookPayer {
	p := &textbookPayer{db: db, gateway: gateway}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	p.httpPayer = newHTTPPayer(p.server.URL, "", clients)
	return p
}

func (p *textbookPayer) serve(w http.ResponseWriter, r *http.Request) {
	var request struct {
		OrderID string      `json:"order_id"`
		Amount  json.Number `json:"amount"`
	}
	err := json.NewDecoder(r.Body).Decode(&request)
	var transaction string
	if err == nil {
		transaction, err = p.process(r.Context(), request.OrderID)
	}
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
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO textbook"+insertColumns, order, amountMinor, gatewayKey(order)); err != nil {
		return "", err
	}
	var state, transaction string
	err = tx.QueryRowContext(ctx, "SELECT state, transaction_id FROM textbook WHERE order_id = ? FOR UPDATE", order).Scan(&state, &transaction)
	if err != nil || state == "succeeded" {
		return transaction, err
	}
	if transaction, err = p.gateway.charge(ctx, order); err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE textbook"+updateColumns, transaction, order); err != nil {
		return "", err
	}
	return transaction, tx.Commit()
}

func (p *textbookPayer) close() {
	p.httpPayer.close()
	p.server.Close()
	p.gateway.transport.CloseIdleConnections()
}
