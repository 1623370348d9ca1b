package httpgateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a gateway may wish for, before any arithmetic. The retry
// policy has a tighter bound.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns the wish of a Retry-After header, in either of its forms (RFC 9110,
// section 10.2.3): seconds, or a date. Zero where there is none that can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) { // out of range comes as the largest
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
