package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "AB", 2},
		{"GATWAY", "GATEWAY", 1},
		{"GATEWYA", "GATEWAY", 1},
		{"GETEWAY", "GATEWAY", 1},
		{"AADDR", "ADDR", 1},
		{"WAIT", "LATE", 3},
		{"CA", "ABC", 3},
	} {
		require.Equal(t, c.want, distance(c.a, c.b), "%s %s", c.a, c.b)
		require.Equal(t, c.want, distance(c.b, c.a), "%s %s", c.b, c.a)
	}
}
