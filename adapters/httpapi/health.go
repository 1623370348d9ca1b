package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core"
	"paymentd/ports"
)

// readyTimeout bounds the question to the database, below the patience of usual probes.
const readyTimeout = 2 * time.Second

// health serves GET /healthz: the process lives, whatever its database does.
func (a *api) health(c echo.Context) error {
	return a.respond(c, http.StatusOK, wire.Probe{Status: wire.Ok})
}

// ready serves GET /readyz. The answer says of what kind the reason is, and the log says it whole:
// probes are open to anyone.
func (a *api) ready(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	err := errors.Join(a.processor.Ready(ctx), a.options.Keys.Ready())
	if c.Request().Context().Err() == nil { // else the prober has left, and that is why
		a.readiness.note(a.log, err)
	}
	if err != nil {
		return refuse(problemNotReady).saying(whyNotReady(err)).because(err)
	}
	return a.respond(c, http.StatusOK, wire.Probe{Status: wire.Ready})
}

// whyNotReady is a sentence for anyone: it names no file, server or user.
func whyNotReady(err error) string {
	switch {
	case errors.Is(err, core.ErrStopping):
		return "the service is stopping"
	case errors.Is(err, ports.ErrNotWritable):
		return "the database answers, and takes no writes, so that no payment can be taken; the log of the service says why"
	case errors.Is(err, ports.ErrUnavailable):
		return "the database cannot be reached; the log of the service says why"
	}
	return problemNotReady.sentence
}

// readiness is what the probes have found.
type readiness struct {
	mu       sync.Mutex
	notReady bool
	since    time.Time
}

// note logs when the service ceases to be ready, and when it is ready again: one line each, however
// often it is probed.
func (r *readiness) note(log *slog.Logger, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.notReady
	r.notReady = err != nil
	switch {
	case r.notReady && !was:
		r.since = time.Now()
		level := slog.LevelWarn
		if errors.Is(err, core.ErrStopping) {
			level = slog.LevelInfo
		}
		log.Log(context.Background(), level, "not ready", "error", err)
	case was && !r.notReady:
		log.Info("ready again", "outage", time.Since(r.since).Round(time.Millisecond).String())
	}
}
