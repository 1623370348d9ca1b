package tracing

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"paymentd/core/payment"
)

// The sampled part is right although not all bits of a trace id are random.
func TestSampler_Ratio_IsSampled(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for _, tt := range []struct {
		name, argument string
		want           float64
	}{
		{"", "", 1},
		{"always_on", "", 1},
		{"parentbased_always_on", "", 1},
		{"always_off", "0.5", 0},
		{"traceidratio", "", 1},
		{"traceidratio", "0", 0},
		{"traceidratio", "1", 1},
		{"traceidratio", "0.1", 0.1},
		{"parentbased_traceidratio", "0.5", 0.5},
	} {
		sampler, err := samplerOf(tt.name, tt.argument)
		require.NoError(t, err)
		sampled := 0
		for range n {
			id := traceOf(payment.GatewayKey(uuid.Must(uuid.NewV7()).String()))
			if sampler.ShouldSample(sdk.SamplingParameters{TraceID: id}).Decision == sdk.RecordAndSample {
				sampled++
			}
		}
		require.InDelta(t, tt.want, float64(sampled)/n, 0.03, tt)
	}
	for _, wrong := range [][2]string{{"jaeger_remote", ""}, {"traceidratio", "2"}, {"traceidratio", "x"}, {"traceidratio", "NaN"}} {
		_, err := samplerOf(wrong[0], wrong[1])
		require.Error(t, err, wrong)
	}
}

// The trace id is the key, or a hash of a key that is not a UUID.
func TestTraceOf_Key_IsTheTraceID(t *testing.T) {
	t.Parallel()
	require.Equal(t, "0190163d8694739ba0ce3a8e1d4f6b2c", traceOf("0190163d-8694-739b-a0ce-3a8e1d4f6b2c").String())
	require.NotEqual(t, traceOf("key-1"), traceOf("key-2"))
	require.True(t, traceOf("").IsValid())
}
