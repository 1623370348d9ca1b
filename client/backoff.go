package client

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	backoffFactor = 2
	backoffJitter = 0.25 // of each wait, both ways, so that clients do not send at the same moment
)

// waits are the waits between the requests of one call, each longer than the one before.
type waits struct{ backoff.ExponentialBackOff }

func (c *Client) waits() *waits {
	return &waits{backoff.ExponentialBackOff{
		InitialInterval: c.shortest, MaxInterval: c.longest,
		Multiplier: backoffFactor, RandomizationFactor: backoffJitter,
	}}
}

// wait waits for the next backoff, or longer if the header asks for it. Its error is ctx's.
func (w *waits) wait(ctx context.Context, header http.Header) error {
	timer := time.NewTimer(max(w.NextBackOff(), retryAfter(header)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter returns the wait of a Retry-After header, which is seconds or a date (RFC 9110, section
// 10.2.3), or zero if there is none.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return time.Until(date)
	}
	return 0
}
