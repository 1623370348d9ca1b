package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter tells the log of a collector that takes no spans: once, and once that it does again.
// OpenTelemetry itself would tell the process's standard error, each time.
type exporter struct {
	sdk.SpanExporter

	log  *slog.Logger
	away atomic.Bool
}

// ExportSpans implements the exporter of the SDK.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && e.away.CompareAndSwap(false, true):
		e.log.WarnContext(ctx, "the collector takes no traces; payments go on without", "error", err)
	case err == nil && e.away.CompareAndSwap(true, false):
		e.log.InfoContext(ctx, "the collector takes traces again")
	}
	return nil
}
