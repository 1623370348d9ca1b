package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
)

// readyTimeout bounds the question to the database, below the patience of usual probes.
const readyTimeout = 2 * time.Second

// health serves GET /healthz: the process lives, whatever its database does.
func (a *api) health(c echo.Context) error {
	return a.respond(c, http.StatusOK, wire.Probe{Status: wire.Ok})
}

// ready serves GET /readyz. Why the service is not ready is for the log: probes are open
// to anyone.
func (a *api) ready(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := errors.Join(a.processor.Ready(ctx), a.options.Keys.Ready()); err != nil {
		return refuse(problemNotReady).because(err)
	}
	return a.respond(c, http.StatusOK, wire.Probe{Status: wire.Ready})
}
