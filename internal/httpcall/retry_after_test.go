package httpcall_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/internal/httpcall"
)

func TestRetryAfter_EveryForm_IsParsed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		" 7 ":                           7 * time.Second,
		"-7":                            0,
		"1.5":                           0,
		"soon":                          0,
		"86401":                         86401 * time.Second,
		"99999999999999999999":          math.MaxUint32 * time.Second,
		"Sun, 22 Nov 2026 10:01:30 GMT": 90 * time.Second,
		"Sun, 22 Nov 2026 09:00:00 GMT": 0,
		"Mon, 22 Nov 2027 10:00:00 GMT": 365 * 24 * time.Hour,
	} {
		h := http.Header{"Retry-After": {value}}
		require.Equal(t, want, httpcall.RetryAfter(h, now), value)
	}
}
