package main

import (
	"context"
	"database/sql"
	"fmt"
)

// paymentsTable is the least that a table of payments needs. Each of the other ways has one.
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

const amountMinor = 100_00 // amount

const (
	insertBare = "INSERT INTO bare (order_id, amount_minor, currency, state, gateway_key, created_at, updated_at) " +
		"VALUES (?, ?, 'USD', 'processing', ?, NOW(6), NOW(6))"
	updateBare = "UPDATE bare SET state = 'succeeded', transaction_id = ?, updated_at = NOW(6) WHERE order_id = ?"
)

// barePayer is the bare loop: two statements, each its own commit, and the gateway between.
type barePayer struct {
	db      *sql.DB
	gateway *gatewayClient
}

func (p *barePayer) pay(ctx context.Context, _ int, order string) error {
	if err := changeRows(ctx, p.db, 1, insertBare, order, amountMinor, gatewayKey(order)); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	transaction, err := p.gateway.charge(ctx, order)
	if err != nil {
		return err
	}
	if err := changeRows(ctx, p.db, 1, updateBare, transaction, order); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

func (p *barePayer) hangUp() {}

func (p *barePayer) close() error {
	p.gateway.close()
	return p.db.Close()
}

// changeRows runs a statement that must change so many rows.
func changeRows(ctx context.Context, db *sql.DB, want int, statement string, values ...any) error {
	result, err := db.ExecContext(ctx, statement, values...)
	if err != nil {
		return err
	}
	changed, err := result.RowsAffected()
	if err == nil && changed != int64(want) {
		return fmt.Errorf("%d rows, not %d", changed, want)
	}
	return err
}
