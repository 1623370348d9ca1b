package client

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// pause is the waits between requests: longer each time.
type pause struct{ next, longest time.Duration }

func (c *Client) pause() *pause { return &pause{next: c.shortest, longest: c.longest} }

// wait waits as long as it is the turn of, give or take a quarter so that clients do not come
// in step, and no less than the header of an answer asks for. Its error is ctx's.
func (p *pause) wait(ctx context.Context, header http.Header) error {
	turn := p.next*3/4 + rand.N(p.next/2+1) //nolint:gosec // nobody gains by guessing it
	p.next = min(2*p.next, p.longest)
	timer := time.NewTimer(max(turn, retryAfter(header)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); zero where there is neither.
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
