package apptest_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

func TestProcessLivesAgainAfterKill(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	p := apptest.Start(t, apptest.Build(t), map[string]string{"PAYMENTD_GATEWAY": gateway.URL}, "serve")
	p.WaitReady(t)
	require.FileExists(t, filepath.Join(p.Folder, "paymentd.db"))
	first := apptest.Pay(t.Context(), p.URL, "order-1", "100.00")
	require.Equal(t, http.StatusOK, first.Code, first)

	p.Pause(t)
	require.Zero(t, apptest.Status(t.Context(), p.URL+"/healthz"), "a paused process answers")
	p.Resume(t)
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/healthz"))

	p.Kill()
	require.Equal(t, -1, p.Wait(t))
	require.Zero(t, apptest.Status(t.Context(), p.URL+"/healthz"), "a killed process answers")

	again := p.Restart(t)
	again.WaitReady(t)
	second := apptest.Pay(t.Context(), again.URL, "order-1", "100.00")
	require.Equal(t, first.Raw, second.Raw)
	require.Equal(t, "true", second.Header.Get("Idempotent-Replayed"))
	require.Equal(t, "succeeded", apptest.WaitState(t, time.Second, again.URL, "order-1", "succeeded").State)
	require.Equal(t, []string{first.Body.TransactionID}, gateway.Taken("order-1"))
	require.Zero(t, again.Stop(t), again.Log())
}

func TestSandboxProcess(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Build(t), nil, "sandbox")
	p.WaitReady(t)
	p.WaitLog(t, "the sandbox gateway listens")
	require.Zero(t, p.Stop(t))
}

func TestRun(t *testing.T) {
	t.Parallel()

	out := apptest.Run(t, apptest.Build(t), nil, "version")
	require.Equal(t, apptest.Output{Stdout: "paymentd devel\n"}, out)
	require.Equal(t, 2, apptest.Run(t, apptest.Build(t), map[string]string{"PAYMENTD_LEASE": "1s"}, "serve").Code)
}
