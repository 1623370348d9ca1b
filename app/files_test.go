package app_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// limited returns a script that runs paymentd with a limit on open files.
func limited(t *testing.T, ulimit string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "paymentd")
	script := "#!/bin/sh\nulimit " + ulimit + "\nexec " + apptest.Build(t) + ` "$@"` + "\n"
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path
}

// TestOpenFiles_LimitTooLow_Warns checks that a low hard limit causes a warning, and that a soft limit is raised.
func TestOpenFiles_LimitTooLow_Warns(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	for name, c := range map[string]struct {
		ulimit string
		more   env
		advice string // empty if there is no warning
	}{
		"the defaults need": {"-n 1024", nil, "Raise the hard limit to 12432 or more"},
		"a soft limit":      {"-Sn 256", nil, ""},
		"small settings":    {"-n 1024", env{"PAYMENTD_MAX_REQUESTS": "100", "PAYMENTD_MAX_CONNECTIONS": "150"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := env{"PAYMENTD_GATEWAY": gateway.URL}
			maps.Copy(variables, c.more)
			p := apptest.Start(t, limited(t, c.ulimit), variables, "serve")
			p.WaitReady(t)
			require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-"+c.ulimit[len(c.ulimit)-3:], "5.00").Code)
			require.Zero(t, p.Stop(t))
			out := apptest.Run(t, limited(t, c.ulimit), variables, "doctor")
			if c.advice == "" {
				require.NotContains(t, p.Log(), "ulimit -n")
				require.Regexp(t, `(?m)^OK +ulimit -n +`, out.Stdout)
				return
			}
			line := lineWith(t, p.Log(), `"check":"ulimit -n"`)
			require.Contains(t, line, `"level":"WARN"`)
			require.Contains(t, line, c.advice)
			require.Regexp(t, `(?m)^WARN +ulimit -n +1024 open files at most\n.*`+c.advice, out.Stdout)
			require.Equal(t, 1, strings.Count(p.Log(), "ulimit -n"), "logged once")
		})
	}
}
