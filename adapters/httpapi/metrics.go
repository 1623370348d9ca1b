package httpapi

import (
	"time"

	"github.com/labstack/echo/v4"
)

// Observer observes each request. It must be fast.
type Observer interface {
	// RequestBegan is called with the pattern of the route, or an empty string for an unknown path.
	RequestBegan(route string)
	// RequestEnded is called once for each request, when it was answered. replayed means that the
	// response is about a charge of an earlier request.
	RequestEnded(route string, status int, took time.Duration, replayed bool)
	// EventEnded is called once for each event of a gateway, with its result: one of [EventResults]. The
	// gateway is "other" if none has the name.
	EventEnded(gateway, result string)
}

// metrics serves GET /metrics. It requires an API key if keys are configured.
func (a *api) metrics(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	a.options.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}

// noObserver observes nothing.
type noObserver struct{}

func (noObserver) RequestBegan(string)                           {}
func (noObserver) RequestEnded(string, int, time.Duration, bool) {}
func (noObserver) EventEnded(string, string)                     {}
