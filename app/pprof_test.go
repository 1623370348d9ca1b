package app_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

func TestPprof_SeparateAddress_ServesProfiles(t *testing.T) {
	t.Parallel()

	addr := apptest.FreeAddress(t)
	p := apptest.Start(t, apptest.Build(t), map[string]string{"PAYMENTD_PPROF_ADDR": addr}, "serve", "--poll=1s")
	p.WaitReady(t)

	profiles := "http://" + addr
	for path, status := range map[string]int{
		"/debug/pprof/":                  http.StatusOK,
		"/debug/pprof/heap":              http.StatusOK,
		"/debug/pprof/goroutine?debug=1": http.StatusOK,
		"/debug/pprof/profile?seconds=1": http.StatusOK,
		"/debug/pprof/trace?seconds=0.1": http.StatusOK,
		"/debug/pprof/cmdline":           http.StatusNotFound,
		"/payments":                      http.StatusNotFound,
		"/healthz":                       http.StatusNotFound,
	} {
		answer := apptest.Get(t.Context(), profiles, path)
		require.Equal(t, status, answer.Code, "%s: %s", path, answer)
		require.NotContains(t, answer.Raw, "--poll=1s", "%s shows the command line", path)
	}
	require.Equal(t, http.StatusNotFound, apptest.Status(t.Context(), p.URL+"/debug/pprof/"),
		"the address of the service must not serve profiles")

	allocated := func() uint64 {
		var vars struct {
			Memstats struct{ TotalAlloc, Mallocs uint64 } `json:"memstats"`
		}
		require.NoError(t, json.Unmarshal([]byte(apptest.Get(t.Context(), profiles, "/debug/vars").Raw), &vars))
		require.Positive(t, vars.Memstats.Mallocs)
		return vars.Memstats.TotalAlloc
	}
	rebound, err := http.NewRequestWithContext(t.Context(), http.MethodGet, profiles+"/debug/vars", http.NoBody)
	require.NoError(t, err)
	rebound.Host = "evil.example"
	response, err := http.DefaultClient.Do(rebound)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusMisdirectedRequest, response.StatusCode, "a web page could use DNS rebinding")
	http.DefaultClient.CloseIdleConnections()
	before := allocated()
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "1.00").Code)
	require.Greater(t, allocated(), before)
	require.Zero(t, p.Stop(t), p.Log())
}

func TestPprof_Default_IsOff(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Build(t), nil, "serve")
	p.WaitReady(t)
	require.Zero(t, p.Stop(t))
	require.NotContains(t, p.Log(), "profiles")
}
