package cli

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSetGCPercent_UnlessGOGCIsSet(t *testing.T) { // not parallel: the setting is global
	percent := func() int {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return int(s[0].Value.Uint64())
	}
	before := percent()
	defer debug.SetGCPercent(before)

	t.Setenv("GOGC", "123")
	setGCPercent()
	require.Equal(t, before, percent())
	t.Setenv("GOGC", "")
	setGCPercent()
	require.Equal(t, gcPercent, percent())
}
