package simulation

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/groupcommit"
	"paymentd/ports"
)

// sharedPayments is a repository whose claims and settlements share commits, as those of the real ones
// do: calls that arrive during a commit go into the next batch, and none of them returns before the whole
// batch is written.
type sharedPayments struct {
	ports.Payments

	calls *groupcommit.Batcher[*sharedCall]
}

// batchTimeout is how long a call waits for the calls before it.
const batchTimeout = 5 * time.Second

// sharedCall is one call of a batch.
type sharedCall struct {
	do   func()
	died bool // its process did, in the middle of it
}

func newSharedPayments(p ports.Payments) *sharedPayments {
	const maxBatchRows, maxConcurrent, stallAfter = 8, 2, time.Second
	return &sharedPayments{Payments: p, calls: groupcommit.NewBatcher(maxBatchRows, maxConcurrent, stallAfter, runBatch)}
}

func runBatch(batch []*sharedCall) []error {
	var all sync.WaitGroup
	for _, c := range batch {
		all.Go(func() {
			c.died = true
			c.do() // which ends this goroutine where the process dies
			c.died = false
		})
	}
	all.Wait()
	return make([]error, len(batch))
}

func (p *sharedPayments) share(ctx context.Context, do func()) error {
	c := &sharedCall{do: do}
	if err := p.calls.Do(ctx, batchTimeout, c); errors.Is(err, groupcommit.ErrNotBegun) {
		return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
	}
	if c.died {
		runtime.Goexit()
	}
	return nil
}

func (p *sharedPayments) Claim(
	ctx context.Context, ask payment.ClaimRequest,
) (is *payment.Payment, verdict payment.Verdict, err error) {
	if notBegun := p.share(ctx, func() { is, verdict, err = p.Payments.Claim(ctx, ask) }); notBegun != nil {
		return nil, "", notBegun
	}
	return is, verdict, err
}

func (p *sharedPayments) Settle(ctx context.Context, s payment.Settlement) (err error) {
	if notBegun := p.share(ctx, func() { err = p.Payments.Settle(ctx, s) }); notBegun != nil {
		return notBegun
	}
	return err
}

// earlyBatches reports a settlement before its commit.
type earlyBatches struct{ *sharedPayments }

func (p earlyBatches) Settle(ctx context.Context, s payment.Settlement) error {
	go func() { _ = p.sharedPayments.Settle(ctx, s) }()
	return nil
}
