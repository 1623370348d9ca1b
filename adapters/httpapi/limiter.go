package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"

	"paymentd/core/apikey"
)

const (
	// maxAddresses bounds the memory of the limit per address to about 16 MiB.
	maxAddresses = 1 << 16
	// maxKeys bounds the memory of the limit per API key. Keys that were revoked may still be in it.
	maxKeys = 2 * apikey.MaxActive
	// maxSwaps bounds how often concurrent requests of one client are tried again. Each failed try
	// means that another request has succeeded.
	maxSwaps = 1000
)

// quota is the state of a limit after a request.
type quota struct {
	refused bool
	left    int64         // requests that would be admitted now
	more    time.Duration // until one more request would be admitted
}

// quotaOf returns the quota of a bucket with that much time left of its window. Each interval of
// that time is one request.
func quotaOf(left, interval time.Duration) quota {
	return quota{left: int64(left / interval), more: interval - left%interval}
}

// limiter limits the requests of each client, which is an address or an API key, by the generic cell
// rate algorithm. Refused requests do not use the quota. A bounded number of clients is remembered: if
// there are more, the one that was least recently seen is evicted and starts afresh with its next
// request.
type limiter struct {
	cells    *throttled.GCRARateLimiterCtx
	interval time.Duration // between two requests
	window   time.Duration // the whole quota, as a multiple of the interval
}

// newLimiter returns nil if there is no limit.
func newLimiter(r Rate, maxClients int) *limiter {
	if r.Requests == 0 {
		return nil
	}
	store, err := memstore.New(maxClients)
	if err != nil {
		panic(fmt.Errorf("create the store of a rate limit: %w", err)) // only for a size below one
	}
	began := time.Now()
	store.SetTimeNow(func() time.Time { return began.Add(time.Since(began)) }) // the monotonic clock
	cells, err := throttled.NewGCRARateLimiterCtx(throttled.WrapStoreWithContext(store), throttled.RateQuota{
		MaxRate: throttled.PerDuration(r.Requests, r.Window), MaxBurst: r.Requests - 1,
	})
	if err != nil {
		panic(fmt.Errorf("create a rate limit: %w", err)) // only for a rate that ParseRate refuses
	}
	cells.SetMaxCASAttemptsLimit(maxSwaps)
	interval := r.interval()
	return &limiter{cells: cells, interval: interval, window: interval * time.Duration(r.Requests)}
}

// take counts a request of a client, unless it is refused.
func (l *limiter) take(client string) quota {
	refused, result, err := l.cells.RateLimitCtx(context.Background(), client, 1)
	switch {
	case err != nil: // more than maxSwaps requests of this client were faster
		return quota{refused: true, more: l.interval}
	case refused:
		return quota{refused: true, more: result.RetryAfter}
	}
	return quotaOf(l.window-result.ResetAfter, l.interval)
}
