package delivery

import (
	"context"
	"fmt"

	"paymentd/core/admin"
	"paymentd/ports"
)

// Replay makes events due again for a person, and records who did it before the first event is due. It returns how many
// it has replayed, and the sequence number to continue after if maxPages pages of ports.ReplayPage events were not enough;
// 0 if all are replayed. After an error, some may be.
func Replay(
	ctx context.Context, outbox ports.Outbox, history ports.AdminHistory, q ports.ReplayQuery, by string, maxPages int,
) (replayed int, next int64, err error) {
	if q.After == 0 {
		act := admin.ReplayEvents(q.Endpoint, q.Event, q.Since, q.Undelivered, by)
		if err := history.Record(ctx, act); err != nil {
			return 0, 0, fmt.Errorf("replay events: %w", err)
		}
	}
	for range maxPages {
		n, next, err := outbox.Replay(ctx, q)
		replayed, q.After = replayed+n, next
		if err != nil || next == 0 {
			return replayed, 0, err
		}
	}
	return replayed, q.After, nil
}
