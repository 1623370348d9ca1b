package tracing

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// randomBits is how many bits of a trace id are random according to W3C: the rightmost 56 (Trace
// Context Level 2, section 3.2.2.3).
const randomBits = 56

// ratio is the part of the payments that is sampled. The trace id alone decides, so that all replicas
// decide alike. The SDK's own sampler reads more bits than are random in a UUID: it would sample no
// payment, or all.
type ratio float64

// samples reports whether the trace with that id is sampled. It is asked before there is a span, so
// that a payment that is not sampled costs no span and no attributes.
func (r ratio) samples(id trace.TraceID) bool {
	const limit = 1 << randomBits
	return float64(binary.BigEndian.Uint64(id[8:])&(limit-1)) < float64(r)*limit
}

// samplerOf parses OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. The prefix "parentbased_" makes no
// difference, because the trace of a payment has no parent: all its spans follow the same decision.
func samplerOf(name, argument string) (ratio, error) {
	switch strings.TrimPrefix(name, "parentbased_") {
	case "", "always_on":
		return ratio(1), nil
	case "always_off":
		return ratio(0), nil
	case "traceidratio":
		if argument == "" {
			return ratio(1), nil
		}
		part, err := strconv.ParseFloat(argument, 64)
		if err != nil || !(part >= 0 && part <= 1) {
			return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, and is %q", argument)
		}
		return ratio(part), nil
	}
	return 0, fmt.Errorf("OTEL_TRACES_SAMPLER must be always_on, always_off or traceidratio, and is %q", name)
}

// ShouldSample implements the sampler of the SDK.
func (r ratio) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	result := sdk.SamplingResult{
		Decision:   sdk.Drop,
		Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState(),
	}
	if r.samples(p.TraceID) {
		result.Decision = sdk.RecordAndSample
	}
	return result
}

// Description implements the sampler of the SDK.
func (r ratio) Description() string { return fmt.Sprintf("PaymentRatio{%g}", float64(r)) }
