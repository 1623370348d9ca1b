package httpapi

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// limited refuses a request when as many as the options allow are being served.
func (a *api) limited(next echo.HandlerFunc) echo.HandlerFunc {
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

// The quota policies, as the RateLimit headers call them.
const (
	policyAddress = "address"
	policyKey     = "key"
)

// perAddress refuses a request whose client's address asks too often. It is the first check of all,
// so that it bounds how many keys somebody may try.
func (a *api) perAddress(next echo.HandlerFunc) echo.HandlerFunc {
	if a.addresses == nil {
		return next
	}
	policy := policyOf(policyAddress, a.options.LimitPerAddress)
	return func(c echo.Context) error {
		client := a.options.TrustedProxies.clientOf(c.Request())
		q := a.addresses.take(networkOf(client))
		tellQuota(c.Response().Header(), policyAddress, policy, q)
		if q.refused {
			return refuse(problemTooMany).retryAfterwards(q.more).saying("too many requests from this address; " +
				"nothing was charged by this one; send it again after the seconds of Retry-After")
		}
		return next(c)
	}
}

// perKey refuses a request whose caller asks too often, from whatever addresses.
func (a *api) perKey(next echo.HandlerFunc) echo.HandlerFunc {
	if a.callers == nil {
		return next
	}
	policy := policyOf(policyKey, a.options.LimitPerKey)
	return func(c echo.Context) error {
		who := callerOf(c)
		if who.ID == "" { // no keys, so nobody to count for
			return next(c)
		}
		q := a.callers.take(who.ID)
		tellQuota(c.Response().Header(), policyKey, policy, q)
		if q.refused {
			return refuse(problemTooMany).retryAfterwards(q.more).saying("too many requests with this API key; " +
				"nothing was charged by this one; send it again after the seconds of Retry-After")
		}
		return next(c)
	}
}

// policyOf is what RateLimit-Policy says of a limit (draft-ietf-httpapi-ratelimit-headers-11,
// section 3.1).
func policyOf(name string, r Rate) string {
	return fmt.Sprintf("%q;q=%d;w=%d", name, r.Requests, r.Window/time.Second)
}

// tellQuota says how much of a quota is left, and for how long it is no more than that (the same
// draft, section 4.1): until one more request is let through, which is what Retry-After says as well
// where there is none. Both headers are lists, whose elements may come in lines of their own.
func tellQuota(h http.Header, name, policy string, q quota) {
	h.Add("RateLimit-Policy", policy)
	h.Add("RateLimit", `"`+name+`";r=`+strconv.FormatInt(q.left, 10)+`;t=`+wholeSeconds(q.more))
}

// panicError is a panic of a handler on its way to the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recovered makes an error of a panic.
func recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch value := recover(); value {
			case nil:
			case http.ErrAbortHandler: // not a fault: net/http's way to drop a connection
				panic(value)
			default:
				err = &panicError{value: value, stack: debug.Stack()}
			}
		}()
		return next(c)
	}
}
