package httpapi

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// limitConcurrent refuses a request if MaxRequests requests are being served.
func (a *api) limitConcurrent(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
			return next(c)
		default:
			return refuse(problemAtLimit)
		}
	}
}

// The RateLimit headers, in the canonical form in which net/http sends them; [http.Header.Add] would
// convert other forms for each response.
const (
	headerRateLimit       = "Ratelimit"
	headerRateLimitPolicy = "Ratelimit-Policy"
)

// The names of the quota policies in the RateLimit headers.
const (
	policyAddress = "address"
	policyKey     = "key"
)

// limitPerAddress refuses a request if the rate of its client address is too high. It is the first
// check, so that it bounds how many keys a client can try.
func (a *api) limitPerAddress(next echo.HandlerFunc) echo.HandlerFunc {
	if a.addresses == nil {
		return next
	}
	policy := policyOf(policyAddress, a.options.LimitPerAddress)
	return func(c echo.Context) error {
		client := a.options.TrustedProxies.ClientOf(c.Request())
		network := networkOf(client)
		q := a.addresses.take(string(network[:]))
		setQuotaHeaders(c.Response().Header(), policyAddress, policy, q)
		if q.refused {
			return refuse(problemTooMany).withRetryAfter(q.more).withSentence("too many requests from this address; " +
				"nothing was charged by this one; send it again after the seconds of Retry-After")
		}
		return next(c)
	}
}

// limitPerKey refuses a request if the rate of its API key is too high, for all addresses together.
func (a *api) limitPerKey(next echo.HandlerFunc) echo.HandlerFunc {
	if a.callers == nil {
		return next
	}
	policy := policyOf(policyKey, a.options.LimitPerKey)
	return func(c echo.Context) error {
		who := callerOf(c)
		if who.ID == "" { // no keys are required
			return next(c)
		}
		q := a.callers.take(who.ID)
		setQuotaHeaders(c.Response().Header(), policyKey, policy, q)
		if q.refused {
			return refuse(problemTooMany).withRetryAfter(q.more).withSentence("too many requests with this API key; " +
				"nothing was charged by this one; send it again after the seconds of Retry-After")
		}
		return next(c)
	}
}

// policyOf returns the RateLimit-Policy of a limit (draft-ietf-httpapi-ratelimit-headers-11,
// section 3.1).
func policyOf(name string, r Rate) string {
	return fmt.Sprintf("%q;q=%d;w=%d", name, r.Requests, r.Window/time.Second)
}

// setQuotaHeaders adds what is left of a quota, and until when (section 4.1 of the same draft):
// until one more request is admitted, which is also the Retry-After of a refused request. Both
// headers are lists, whose elements may have lines of their own.
func setQuotaHeaders(h http.Header, name, policy string, q quota) {
	left := append(make([]byte, 0, 64), '"') // on the stack
	left = append(append(left, name...), `";r=`...)
	left = append(strconv.AppendInt(left, q.left, 10), `;t=`...)
	left = strconv.AppendInt(left, toSeconds(q.more), 10)
	h.Add(headerRateLimitPolicy, policy)
	h.Add(headerRateLimit, string(left))
}

// panicError is a recovered panic of a handler.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recoverPanics returns a panic as an error.
func recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch value := recover(); value {
			case nil:
			case http.ErrAbortHandler: // not an error: net/http drops the connection
				panic(value)
			default:
				err = &panicError{value: value, stack: debug.Stack()}
			}
		}()
		return next(c)
	}
}
