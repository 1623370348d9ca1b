package tracing

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// random is the bits of a trace's id that its W3C context says to be random: the right 56 (Trace
// Context Level 2, section 3.2.2.3).
const random = 56

// ratio samples a part of the payments. It decides by the trace's id alone, so that all replicas
// decide alike. The SDK's own sampler reads more bits than are random in a UUID: it would take
// none of these, or all.
type ratio float64

// samplerOf reads OTEL_TRACES_SAMPLER and its argument. What is "parentbased" makes no difference:
// the trace of a payment has no parent.
func samplerOf(name, argument string) (sdk.Sampler, error) {
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
			return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, and is %q", argument)
		}
		return ratio(part), nil
	}
	return nil, fmt.Errorf("OTEL_TRACES_SAMPLER: there is no sampler %q here; take always_on, always_off or traceidratio", name)
}

// ShouldSample implements the sampler of the SDK.
func (r ratio) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	result := sdk.SamplingResult{
		Decision:   sdk.Drop,
		Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState(),
	}
	if x := binary.BigEndian.Uint64(p.TraceID[8:]) & (1<<random - 1); float64(x) < float64(r)*(1<<random) {
		result.Decision = sdk.RecordAndSample
	}
	return result
}

// Description implements the sampler of the SDK.
func (r ratio) Description() string { return fmt.Sprintf("PaymentRatio{%g}", float64(r)) }
