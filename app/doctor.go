package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"paymentd/internal/doctor"
)

// DoctorTimeout bounds the checks of a database.
const DoctorTimeout = 15 * time.Second

// backgroundDoctor runs checks of `paymentd doctor` once, in the background of a start, and logs each
// finding that is not OK, so that a wrong setting is noticed before it affects a payment.
type backgroundDoctor struct {
	timeout time.Duration
	examine func(context.Context) []doctor.Finding
	log     *slog.Logger

	cancel context.CancelFunc
	done   chan struct{}
}

func (d *backgroundDoctor) start(ctx context.Context) {
	ctx, d.cancel = context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	d.done = make(chan struct{})
	go func() {
		defer close(d.done)
		for _, f := range d.examine(ctx) {
			if errors.Is(ctx.Err(), context.Canceled) {
				return // the stop of the service may have caused the finding
			}
			logFinding(d.log, f)
		}
	}()
}

func (d *backgroundDoctor) stop() {
	if d.cancel != nil {
		d.cancel()
		<-d.done
	}
}

// logFinding logs a finding that is not OK.
func logFinding(log *slog.Logger, f doctor.Finding) {
	attributes := []any{"check", f.Check, "found", f.Found, "advice", f.Advice}
	switch f.Level {
	case doctor.OK:
	case doctor.Warn:
		log.Warn("doctor: a check warns", attributes...)
	case doctor.Fail:
		log.Error("doctor: a check failed", attributes...)
	}
}
