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

// readyTimeout bounds the query to the database, below the timeout of usual probes.
const readyTimeout = 2 * time.Second

// health serves GET /healthz: 200 while the process runs, independently of its database.
func (a *api) health(c echo.Context) error {
	return a.respond(c, http.StatusOK, wire.Probe{Status: wire.ProbeStatusOk})
}

// ready serves GET /readyz. The response has only the kind of the reason, because it needs no key;
// the log has the details.
func (a *api) ready(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	err := errors.Join(a.processor.Ready(ctx), a.options.Keys.Ready())
	if c.Request().Context().Err() == nil { // otherwise the prober disconnected, which caused the error
		a.readiness.update(a.log, err)
	}
	if err != nil {
		return refuse(problemNotReady).withSentence(notReadySentence(err)).withCause(err)
	}
	return a.respond(c, http.StatusOK, wire.Probe{Status: wire.ProbeStatusReady})
}

// notReadySentence names no file, server or user, because the response needs no key.
func notReadySentence(err error) string {
	switch {
	case errors.Is(err, core.ErrStopping):
		return "the service is stopping"
	case errors.Is(err, ports.ErrNotWritable):
		return "the database accepts no writes, so no payment can be processed; see the log of the service"
	case errors.Is(err, ports.ErrUnavailable):
		return "the database cannot be reached; see the log of the service"
	}
	return problemNotReady.sentence
}

// readiness is the result of the latest probe.
type readiness struct {
	mu       sync.Mutex
	notReady bool
	since    time.Time
}

// update logs when the service stops being ready, and when it is ready again: one line for each
// change, not for each probe.
func (r *readiness) update(log *slog.Logger, err error) {
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
