package console

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
)

const (
	// signInsPerMinute is how often one address may try to sign in: as often at once, and then evenly.
	signInsPerMinute = 10
	// requestsPerMinute is how often one address may ask for pages on average, and requestsAtOnce how often at once.
	// Each request may cost a look at a session in the database, before it is known who asks.
	requestsPerMinute = 1200
	requestsAtOnce    = 300
	// maxAddresses bounds the memory of the limit. Beyond it, the least recently seen address starts afresh.
	maxAddresses = 1 << 14
)

// limiter limits the requests of each address, by the generic cell rate algorithm.
type limiter struct{ cells *throttled.GCRARateLimiterCtx }

// newLimiter admits a number of requests a minute, and of them some at once.
func newLimiter(perMinute, atOnce int) *limiter {
	store, err := memstore.New(maxAddresses)
	if err != nil {
		panic(fmt.Errorf("create the store of a rate limit: %w", err)) // only for a size below one
	}
	began := time.Now()
	store.SetTimeNow(func() time.Time { return began.Add(time.Since(began)) }) // the monotonic clock
	cells, err := throttled.NewGCRARateLimiterCtx(throttled.WrapStoreWithContext(store), throttled.RateQuota{
		MaxRate: throttled.PerMin(perMinute), MaxBurst: atOnce - 1,
	})
	if err != nil {
		panic(fmt.Errorf("create a rate limit: %w", err)) // only for a rate that is not positive
	}
	return &limiter{cells: cells}
}

// take counts a request of an address. If it is refused, wait is how long until the next one is admitted.
func (l *limiter) take(client netip.Addr) (refused bool, wait time.Duration) {
	network := client
	if client.Is6() {
		// A client usually has all addresses that share the first 64 bits (RFC 6177).
		if prefix, err := client.Prefix(64); err == nil {
			network = prefix.Addr()
		}
	}
	refused, result, err := l.cells.RateLimitCtx(context.Background(), network.String(), 1)
	if err != nil {
		return true, time.Second
	}
	return refused, result.RetryAfter
}
