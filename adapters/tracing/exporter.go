package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter logs when the collector stops accepting spans, and when it accepts them again.
// OpenTelemetry itself would write each error to stderr.
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
		e.log.WarnContext(ctx, "the collector does not accept traces; payments are not affected", "error", err)
	case err == nil && e.away.CompareAndSwap(true, false):
		e.log.InfoContext(ctx, "the collector accepts traces again")
	}
	return nil
}
