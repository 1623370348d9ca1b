package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options of [New].
type Options struct {
	// Endpoint is the base URL of a collector that accepts OTLP over HTTP. If it is empty, the
	// OTEL_EXPORTER_OTLP_… variables apply.
	Endpoint string
	Version  string // of the program
	Replica  string // the name of this replica
	Log      *slog.Logger
}

// Tracing creates the spans of one process. If it is nil, its methods return their arguments
// unchanged.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	ratio    ratio // asked before a span is started
}

// Wanted reports whether the environment enables traces, with the variables of the "OpenTelemetry
// Environment Variable Specification".
func Wanted() bool {
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Disabled reports whether the environment disables traces, which takes precedence.
func Disabled() bool {
	return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none"
}

// Check returns the error that New would return for the sampler of the environment.
func Check() error {
	_, err := sampler()
	return err
}

func sampler() (ratio, error) {
	return samplerOf(os.Getenv("OTEL_TRACES_SAMPLER"), os.Getenv("OTEL_TRACES_SAMPLER_ARG"))
}

// New returns the tracing of one process. It does not connect. If the collector is unavailable,
// spans are lost, but nothing else is affected.
func New(ctx context.Context, o Options) (*Tracing, error) {
	var options []otlptracehttp.Option
	if o.Endpoint != "" {
		options = append(options, otlptracehttp.WithEndpointURL(strings.TrimRight(o.Endpoint, "/")+"/v1/traces"))
	}
	client, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	return newTracing(ctx, o, client)
}

func newTracing(ctx context.Context, o Options, client sdk.SpanExporter) (*Tracing, error) {
	ratio, err := sampler()
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "paymentd"),
		attribute.String("service.version", o.Version),
		attribute.String("service.instance.id", o.Replica),
	), resource.WithTelemetrySDK(), resource.WithFromEnv()) // the environment takes precedence
	if err != nil {
		return nil, fmt.Errorf("describe the service to its traces: %w", err)
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(&exporter{SpanExporter: client, log: o.Log}),
		sdk.WithIDGenerator(ids{}), sdk.WithSampler(ratio), sdk.WithResource(about),
	)
	return &Tracing{provider: provider, tracer: provider.Tracer("paymentd"), ratio: ratio}, nil
}

// Stop sends the remaining spans, until ctx is cancelled.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop tracing: %w", err)
	}
	return nil
}

// Inject adds the context of the current span to the header of a request to another service (W3C Trace
// Context).
func (t *Tracing) Inject(ctx context.Context, h http.Header) {
	propagation.TraceContext{}.Inject(ctx, carrier{propagation.HeaderCarrier(h)})
}

// carrier sets a header without converting its name to the canonical form for each request.
type carrier struct{ propagation.HeaderCarrier }

// Set implements propagation.TextMapCarrier.
func (c carrier) Set(name, value string) {
	if name == "traceparent" {
		c.HeaderCarrier["Traceparent"] = []string{value}
		return
	}
	c.HeaderCarrier.Set(name, value)
}
