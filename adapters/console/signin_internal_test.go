package console

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNext_StaysInTheConsole(t *testing.T) {
	t.Parallel()
	for _, inside := range []string{
		"/console", "/console?x=1", "/console/payments/order%2F1", "/console/payments/a..b", "/console/payments?q=//x/../y", "/console/payments/a%2F%2Fb",
	} {
		require.Equal(t, inside, next(inside))
	}
	for _, outside := range []string{
		"", "/", "//evil.example", "https://evil.example/console", "/console/..//evil.example", "/console/../payments", "/console/%2e%2E//evil.example",
		"/console/.%2e/x", "/console//evil.example", "/console/./x", "/consoles", "/console/\\evil.example", "/console/sign-out", "/console/a\n", "console/x",
		"javascript:/console/", "/console/",
	} {
		require.Equal(t, Root, next(outside), outside)
	}
}
