package httpapi

import (
	"time"

	"github.com/labstack/echo/v4"
)

// Observer is told of each request. It must be fast.
type Observer interface {
	// RequestBegan is called with the pattern of the route; empty for an unknown path.
	RequestBegan(route string)
	// RequestEnded is called once for each, when it is answered. replayed: the answer told of
	// a charge that the request did not make.
	RequestEnded(route string, status int, took time.Duration, replayed bool)
}

// metrics serves GET /metrics, to callers who show a key where there are any.
func (a *api) metrics(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	a.options.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}

// unobserved is the observer of nobody.
type unobserved struct{}

func (unobserved) RequestBegan(string)                           {}
func (unobserved) RequestEnded(string, int, time.Duration, bool) {}
