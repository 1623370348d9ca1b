package httpapi

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"

	"paymentd/core/apikey"
)

const (
	// maxAddresses bounds the memory of an [addressLimiter] to about 16 MiB.
	maxAddresses = 1 << 16
	// maxKeys bounds the memory of a [keyLimiter]. Keys that were revoked may still be in it.
	maxKeys = 2 * apikey.MaxActive
	// maxSwaps bounds how often concurrent requests of one address are tried again. Each failed try
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

// addressLimiter limits the requests of each address by the generic cell rate algorithm. Refused
// requests do not use the quota. At most maxAddresses addresses are remembered: if there are more,
// the one that was least recently seen is evicted and starts afresh with its next request.
type addressLimiter struct {
	limiter  *throttled.GCRARateLimiterCtx
	interval time.Duration // between two requests
	window   time.Duration // the whole quota, as a multiple of the interval
}

// newAddressLimiter returns nil if there is no limit.
func newAddressLimiter(r Rate) *addressLimiter {
	if r.Requests == 0 {
		return nil
	}
	store, err := memstore.New(maxAddresses)
	if err != nil {
		panic(fmt.Errorf("create the store of the address limit: %w", err)) // only for a size below one
	}
	began := time.Now()
	store.SetTimeNow(func() time.Time { return began.Add(time.Since(began)) }) // the monotonic clock
	limiter, err := throttled.NewGCRARateLimiterCtx(throttled.WrapStoreWithContext(store), throttled.RateQuota{
		MaxRate: throttled.PerDuration(r.Requests, r.Window), MaxBurst: r.Requests - 1,
	})
	if err != nil {
		panic(fmt.Errorf("create the address limit: %w", err)) // only for a rate that ParseRate refuses
	}
	limiter.SetMaxCASAttemptsLimit(maxSwaps)
	interval := r.interval()
	return &addressLimiter{limiter: limiter, interval: interval, window: interval * time.Duration(r.Requests)}
}

// take counts a request of an address, unless it is refused.
func (l *addressLimiter) take(address [16]byte) quota {
	refused, result, err := l.limiter.RateLimitCtx(context.Background(), string(address[:]), 1)
	switch {
	case err != nil: // more than maxSwaps requests of this address were faster
		return quota{refused: true, more: l.interval}
	case refused:
		return quota{refused: true, more: result.RetryAfter}
	}
	return quotaOf(l.window-result.ResetAfter, l.interval)
}

// keyLimiter limits the requests of each API key with a token bucket. Refused requests take no token.
type keyLimiter struct {
	rate Rate

	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

// newKeyLimiter returns nil if there is no limit.
func newKeyLimiter(r Rate) *keyLimiter {
	if r.Requests == 0 {
		return nil
	}
	return &keyLimiter{rate: r, keys: make(map[string]*rate.Limiter)}
}

// take counts a request with the key of that id, unless it is refused.
func (l *keyLimiter) take(id string) quota {
	now := time.Now()
	limiter := l.of(id, now)
	refused := !limiter.AllowN(now, 1)
	interval := l.rate.interval()
	// The tokens are a floating-point number, so their time is rounded to nanoseconds.
	left := time.Duration(math.Round(max(0, limiter.TokensAt(now)) * float64(interval)))
	if refused {
		return quota{refused: true, more: max(1, interval-left)}
	}
	return quotaOf(left, interval)
}

// of returns the token bucket of a key.
func (l *keyLimiter) of(id string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limiter := l.keys[id]; limiter != nil {
		return limiter
	}
	if len(l.keys) >= maxKeys {
		l.evict(now)
	}
	limiter := rate.NewLimiter(rate.Every(l.rate.interval()), l.rate.Requests)
	l.keys[id] = limiter
	return limiter
}

// evict removes the full buckets, which are as good as new ones, and any one if none is full.
func (l *keyLimiter) evict(now time.Time) {
	fullest, most := "", -1.0
	for id, limiter := range l.keys {
		tokens := limiter.TokensAt(now)
		if tokens >= float64(l.rate.Requests) {
			delete(l.keys, id)
		}
		if tokens > most {
			fullest, most = id, tokens
		}
	}
	delete(l.keys, fullest)
}
