package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
)

const maxBatch = 64 // payments a statement

// batchedPayer is the bare loop with shared commits: statements that arrive while others are
// being committed go together in the next one.
type batchedPayer struct {
	db      *sql.DB
	gateway *gatewayClient
	inserts *batcher
	updates *batcher
}

func newBatchedPayer(db *sql.DB, gateway *gatewayClient, flushers int) *batchedPayer {
	p := &batchedPayer{db: db, gateway: gateway}
	p.inserts, p.updates = newBatcher(flushers, p.insert), newBatcher(flushers, p.update)
	return p
}

func (p *batchedPayer) pay(ctx context.Context, _ int, order string) error {
	if err := p.inserts.do(ctx, change{order: order}); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	transaction, err := p.gateway.charge(ctx, order)
	if err != nil {
		return err
	}
	if err := p.updates.do(ctx, change{order: order, transaction: transaction}); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

func (p *batchedPayer) insert(ctx context.Context, changes []change) error {
	row := ", (?, ?, 'USD', 'processing', ?, NOW(6), NOW(6))"
	statement := "INSERT INTO batched (order_id, amount_minor, currency, state, gateway_key, created_at, updated_at) VALUES " +
		strings.Repeat(row, len(changes))[2:]
	values := make([]any, 0, 3*len(changes))
	for _, c := range changes {
		values = append(values, c.order, amountMinor, gatewayKey(c.order))
	}
	return changeRows(ctx, p.db, len(changes), statement, values...)
}

func (p *batchedPayer) update(ctx context.Context, changes []change) error {
	statement := "UPDATE batched SET state = 'succeeded', updated_at = NOW(6), transaction_id = CASE order_id" +
		strings.Repeat(" WHEN ? THEN ?", len(changes)) + " END WHERE order_id IN (" +
		strings.Repeat(", ?", len(changes))[2:] + ")"
	values := make([]any, 0, 3*len(changes))
	for _, c := range changes {
		values = append(values, c.order, c.transaction)
	}
	for _, c := range changes {
		values = append(values, c.order)
	}
	return changeRows(ctx, p.db, len(changes), statement, values...)
}

func (p *batchedPayer) hangUp() {}

func (p *batchedPayer) close() error {
	p.inserts.close()
	p.updates.close()
	p.gateway.close()
	return p.db.Close()
}

// change is one payment's part of a statement.
type change struct {
	order, transaction string
}

// waiting is a change and whoever waits for it.
type waiting struct {
	change
	done chan error
}

// batcher gathers changes while its flushers are busy. It waits for nothing else.
type batcher struct {
	queue    chan waiting
	flush    func(context.Context, []change) error
	flushers sync.WaitGroup
}

func newBatcher(flushers int, flush func(context.Context, []change) error) *batcher {
	b := &batcher{queue: make(chan waiting, 4096), flush: flush}
	for range flushers {
		b.flushers.Go(b.run)
	}
	return b
}

// do returns when the change is committed.
func (b *batcher) do(ctx context.Context, c change) error {
	done := make(chan error, 1)
	b.queue <- waiting{change: c, done: done}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *batcher) run() {
	var batch []waiting
	var changes []change
	for first := range b.queue {
		batch, changes = append(batch[:0], first), append(changes[:0], first.change)
		for len(batch) < maxBatch {
			next, ok := b.poll()
			if !ok {
				break
			}
			batch, changes = append(batch, next), append(changes, next.change)
		}
		err := b.flush(context.Background(), changes)
		for _, w := range batch {
			w.done <- err
		}
	}
}

// poll returns what waits already.
func (b *batcher) poll() (w waiting, ok bool) {
	select {
	case w, ok = <-b.queue:
	default:
	}
	return w, ok
}

func (b *batcher) close() {
	close(b.queue)
	b.flushers.Wait()
}
