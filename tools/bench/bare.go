package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
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
	insertRow     = "INSERT INTO %s (order_id, amount_minor, currency, state, gateway_key, created_at, updated_at) VALUES "
	insertValues  = "(?, ?, 'USD', 'processing', ?, NOW(6), NOW(6))"
	updateRow     = "UPDATE %s SET state = 'succeeded', updated_at = NOW(6), transaction_id = "
	maxBatch      = 64   // payments per statement
	maxBatchQueue = 4096 // above the number of clients
)

// barePayer is the bare loop: two statements, each its own commit, and the gateway call between.
type barePayer struct {
	db      *sql.DB
	gateway *gatewayClient
	insert  func(ctx context.Context, order string) error
	update  func(ctx context.Context, order, transaction string) error
	stop    func() // called before the connections are closed
}

func newBarePayer(db *sql.DB, gateway *gatewayClient) *barePayer {
	insert := fmt.Sprintf(insertRow, bare) + insertValues
	update := fmt.Sprintf(updateRow, bare) + "? WHERE order_id = ?"
	return &barePayer{
		db: db, gateway: gateway, stop: func() {},
		insert: func(ctx context.Context, order string) error {
			return changeRows(ctx, db, 1, insert, order, amountMinor, gatewayKey(order))
		},
		update: func(ctx context.Context, order, transaction string) error {
			return changeRows(ctx, db, 1, update, transaction, order)
		},
	}
}

// newBatchedPayer returns the bare loop with shared commits: statements that arrive while earlier ones
// are being committed share the next commit.
func newBatchedPayer(db *sql.DB, gateway *gatewayClient, flushers int) *barePayer {
	inserts := newBatcher(flushers, func(ctx context.Context, changes []change) error {
		values := make([]any, 0, 3*len(changes))
		for _, c := range changes {
			values = append(values, c.order, amountMinor, gatewayKey(c.order))
		}
		statement := fmt.Sprintf(insertRow, batched) + strings.Repeat(", "+insertValues, len(changes))[2:]
		return changeRows(ctx, db, len(changes), statement, values...)
	})
	updates := newBatcher(flushers, func(ctx context.Context, changes []change) error {
		values := make([]any, 0, 3*len(changes))
		for _, c := range changes {
			values = append(values, c.order, c.transaction)
		}
		for _, c := range changes {
			values = append(values, c.order)
		}
		statement := fmt.Sprintf(updateRow, batched) + "CASE order_id" + strings.Repeat(" WHEN ? THEN ?", len(changes)) +
			" END WHERE order_id IN (" + strings.Repeat(", ?", len(changes))[2:] + ")"
		return changeRows(ctx, db, len(changes), statement, values...)
	})
	return &barePayer{
		db: db, gateway: gateway, stop: func() { inserts.close(); updates.close() },
		insert: func(ctx context.Context, order string) error { return inserts.do(ctx, change{order: order}) },
		update: func(ctx context.Context, order, transaction string) error {
			return updates.do(ctx, change{order: order, transaction: transaction})
		},
	}
}

func (p *barePayer) pay(ctx context.Context, _ int, order string) error {
	if err := p.insert(ctx, order); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	transaction, err := p.gateway.charge(ctx, order)
	if err != nil {
		return err
	}
	if err := p.update(ctx, order, transaction); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

func (p *barePayer) abort() {}

func (p *barePayer) close() error {
	p.stop()
	p.gateway.transport.CloseIdleConnections()
	return p.db.Close()
}

// changeRows runs a statement that has to change a number of rows.
func changeRows(ctx context.Context, db *sql.DB, want int, statement string, values ...any) error {
	result, err := db.ExecContext(ctx, statement, values...)
	if err != nil {
		return err
	}
	changed, err := result.RowsAffected()
	if err == nil && changed != int64(want) {
		return fmt.Errorf("%d rows changed, not %d", changed, want)
	}
	return err
}

// change is the part of one payment in a statement.
type change struct {
	order, transaction string
}

// batcher collects changes while its flushers are busy. It has no timer.
type batcher struct {
	queue    chan pending
	flushers sync.WaitGroup
}

type pending struct {
	change

	done chan error
}

func newBatcher(flushers int, flush func(context.Context, []change) error) *batcher {
	b := &batcher{queue: make(chan pending, maxBatchQueue)}
	for range flushers {
		b.flushers.Go(func() {
			for first := range b.queue {
				batch, changes := b.fill(first)
				err := flush(context.Background(), changes)
				for _, p := range batch {
					p.done <- err
				}
			}
		})
	}
	return b
}

// fill returns the first change and those that are queued after it, up to maxBatch.
func (b *batcher) fill(first pending) (batch []pending, changes []change) {
	batch, changes = []pending{first}, []change{first.change}
	for len(batch) < maxBatch {
		select {
		case next, ok := <-b.queue:
			if !ok {
				return batch, changes
			}
			batch, changes = append(batch, next), append(changes, next.change)
		default:
			return batch, changes
		}
	}
	return batch, changes
}

// do returns when the change is committed.
func (b *batcher) do(_ context.Context, c change) error {
	p := pending{change: c, done: make(chan error, 1)}
	b.queue <- p
	return <-p.done
}

func (b *batcher) close() {
	close(b.queue)
	b.flushers.Wait()
}
