package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
	"paymentd/internal/doctor"
)

// recommended is a server configuration without findings.
var recommended = mysqltest.Config{Args: []string{"--log-bin=binlog", "--server-id=1", "--sync-binlog=1", "--binlog-format=ROW"}}

// database starts a server and returns the URL of an empty database on it.
func database(t *testing.T, config mysqltest.Config) string {
	t.Helper()
	server, err := mysqltest.Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	at, err := server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	return at
}

func runDoctor(t *testing.T, variables env, args ...string) apptest.Output {
	t.Helper()
	return apptest.Run(t, apptest.Build(t), variables, append([]string{"doctor"}, args...)...)
}

func TestDoctor_NoFindings_ExitsWithZero(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	variables := env{
		"PAYMENTD_DATABASE": database(t, recommended), "PAYMENTD_GATEWAY": gateway.URL,
		"PAYMENTD_API_KEYS": "a-key-of-some-length",
	}
	before := runDoctor(t, variables)
	require.Zero(t, before.Code, before)
	require.Contains(t, before.Stdout, "run `paymentd migrate up`", "advice only: the service migrates at its start")
	require.Contains(t, before.Stdout, "go live: 0 of")

	p := serve(t, variables)
	require.Zero(t, p.Stop(t))
	require.NotContains(t, p.Log(), "doctor: a check")
	after := runDoctor(t, variables)
	require.Zero(t, after.Code, after)
	require.NotContains(t, after.Stdout, "WARN")
	require.Empty(t, gateway.Calls(""), "the doctor must not charge")

	var report struct {
		GoLive   bool `json:"go_live"`
		Findings []doctor.Finding
	}
	require.NoError(t, json.Unmarshal([]byte(runDoctor(t, variables, "--json").Stdout), &report))
	require.True(t, report.GoLive)
	require.Len(t, report.Findings, strings.Count(after.Stdout, "OK "))
}

// TestDoctor_UnsafeServer_EqualsTheLogOfTheStart uses server settings that lose committed data. The service starts
// anyway and logs the findings.
func TestDoctor_UnsafeServer_EqualsTheLogOfTheStart(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	variables := env{
		"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_LEASE": "11s", "PAYMENTD_LATE": "0s",
		"PAYMENTD_DATABASE": database(t, mysqltest.Config{Relaxed: true, Args: []string{
			"--log-bin=binlog", "--server-id=1", "--sync-binlog=0", "--transaction-isolation=READ-UNCOMMITTED", "--max-connections=40",
		}}),
	}
	p := serve(t, variables)
	p.WaitLog(t, `"check":"PAYMENTD_LATE"`)
	out := runDoctor(t, variables)
	require.Equal(t, 1, out.Code)
	require.Contains(t, out.Stderr, "paymentd: do not go live: ")
	require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
	for check, level := range map[string]string{
		"innodb_flush_log_at_trx_commit": "FAIL", "sync_binlog": "FAIL", "transaction_isolation": "FAIL",
		"innodb_doublewrite": "WARN", "max_connections": "FAIL", "PAYMENTD_LEASE": "WARN", "PAYMENTD_LATE": "FAIL",
	} {
		if check == "max_connections" {
			level = "FAIL|WARN" // MySQL reserves one for an administrator
		}
		require.Regexp(t, "(?m)^("+level+") +"+check+" ", out.Stdout)
		logged := lineWith(t, p.Log(), `"check":"`+check+`"`)
		require.Regexp(t, `"level":"(ERROR|WARN)"`, logged)
		require.Contains(t, logged, `"advice":"`)
		if level == "FAIL" {
			require.Contains(t, logged, `"level":"ERROR"`)
		}
	}
	require.Zero(t, p.Stop(t))
}

func lineWith(t *testing.T, log, words string) string {
	t.Helper()
	for line := range strings.Lines(log) {
		if strings.Contains(line, words) {
			return line
		}
	}
	require.Fail(t, "not logged", words)
	return ""
}

func TestDoctor_Gateway(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := "sqlite:" + filepath.Join(folder, "paymentd.db")
	otherPage := apptest.StartGateway(t)
	otherPage.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusOK, Unmarked: true} })
	unmarked := apptest.StartGateway(t)
	unmarked.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Unmarked: true} })
	otherMark := apptest.StartGateway(t)
	otherMark.Do(func(apptest.Call) apptest.Reply {
		return apptest.Reply{Unmarked: true, Header: http.Header{"Idempotency-Key": {"another-key"}}}
	})
	wrongToken := apptest.StartGateway(t)
	wrongToken.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusUnauthorized} })
	plain := apptest.StartGateway(t)
	plain.Do(func(apptest.Call) apptest.Reply {
		return apptest.Reply{Status: http.StatusNotFound, Body: "404 page not found"}
	})
	down := apptest.StartGateway(t)
	down.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Lost: true} })

	for name, c := range map[string]struct{ gateway, want string }{
		"no server":    {"http://" + apptest.FreeAddress(t), "gives no answer"},
		"no answer":    {down.URL, "gives no answer"},
		"another page": {otherPage.URL, "gives no answer of its own: the answer 200 OK"}, // answers everything with 200
		"no marks":     {unmarked.URL, "it has no header Idempotency-Key"},
		"other marks":  {otherMark.URL, "is not the key of the request"},
		"wrong path":   {unmarked.URL + "/v2", "it has no header Idempotency-Key"},
		"wrong token":  {wrongToken.URL, "does not answer lookups: the gateway answered 401"},
		"a plain 404":  {plain.URL, "it is not one JSON object"},
		"the sandbox":  {"sandbox:", "here no money moves"},
	} {
		out := runDoctor(t, env{"PAYMENTD_DATABASE": file, "PAYMENTD_GATEWAY": c.gateway, "PAYMENTD_GATEWAY_TIMEOUT": "2s"})
		require.Equal(t, 1, out.Code, name)
		require.Regexp(t, "(?m)^FAIL +gateway ", out.Stdout, name)
		require.Contains(t, out.Stdout, c.want, name)
	}
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, files, "the doctor must not create files")

	healthy := apptest.StartGateway(t)
	variables := env{"PAYMENTD_DATABASE": file, "PAYMENTD_GATEWAY": healthy.URL}
	p := serve(t, variables)
	out := runDoctor(t, variables)
	require.Regexp(t, "(?m)^OK +gateway ", out.Stdout)
	require.Regexp(t, "(?m)^WARN +API keys +0 of the configuration, 0 of the database", out.Stdout)
	require.Regexp(t, "(?m)^OK +replicas +1$", out.Stdout)
	require.Empty(t, healthy.Calls(""))
	require.Zero(t, p.Stop(t))
}

func TestDoctor_APIKeys(t *testing.T) {
	t.Parallel()
	variables := env{
		"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"), "PAYMENTD_ADDR": "0.0.0.0:3000",
	}
	command := func(args ...string) {
		t.Helper()
		out := apptest.Run(t, apptest.Build(t), variables, args...)
		require.Zero(t, out.Code, out)
	}
	keys := func() string { return runDoctor(t, variables).Stdout }
	require.Regexp(t, `(?m)^FAIL +API keys +0 of .*, 0 of .*\n.*does not start at 0\.0\.0\.0:3000`, keys())
	require.Regexp(t, `(?m)^FAIL +PAYMENTD_GATEWAY +not set\n.*does not start without it, because 0\.0\.0\.0:3000 is not`, keys())
	variables["PAYMENTD_GATEWAY"] = "sandbox:"
	require.NotRegexp(t, `(?m)PAYMENTD_GATEWAY +not set`, keys())
	command("migrate", "up")
	require.Regexp(t, `(?m)^FAIL +API keys +0 of .*, 0 of `, keys())
	command("keys", "create", "--name", "shop", "--scopes", "pay")
	require.Regexp(t, `(?m)^OK +API keys +0 of .*, 1 of `, keys())
	command("keys", "revoke", "shop")
	require.Regexp(t, `(?m)^FAIL +API keys +0 of .*, 0 of .*\n.*are revoked`, keys())
	file, err := filepath.Abs("cli/testdata/api-keys")
	require.NoError(t, err)
	variables["PAYMENTD_API_KEYS_FILE"] = file
	require.Regexp(t, `(?m)^OK +API keys +[1-9] of .*, 0 of `, keys())
}

func TestDoctor_DatabaseDown_RunsTheOtherChecks(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	out := runDoctor(t, env{
		"PAYMENTD_DATABASE": "mysql://user:sesame@" + apptest.FreeAddress(t) + "/payments", "PAYMENTD_GATEWAY": gateway.URL,
	})
	require.Equal(t, 1, out.Code)
	require.Regexp(t, "(?m)^FAIL +database .*connection refused", out.Stdout)
	require.Regexp(t, "(?m)^OK +gateway ", out.Stdout, "the other checks must run")
	require.Regexp(t, "(?m)^FAIL +API keys +0 of the configuration; those of the database are not known", out.Stdout)
	require.NotContains(t, out.Stdout+out.Stderr, "sesame")
	require.Equal(t, 2, runDoctor(t, env{"PAYMENTD_LEASE": "1s"}).Code)
	require.Equal(t, 2, runDoctor(t, env{"PAYMENTD_GATEWAY": "https://user:sesame@gateway"}).Code)
	out = runDoctor(t, env{"PAYMENTD_TRACES": "http://127.0.0.1:4318", "OTEL_TRACES_SAMPLER": "dice"})
	require.Equal(t, 2, out.Code)
	require.Contains(t, out.Stderr, `OTEL_TRACES_SAMPLER must be always_on, always_off or traceidratio, and is "dice"`)
}

// TestDoctor_Certificate covers certificates with which the service does not start or clients cannot connect.
func TestDoctor_Certificate(t *testing.T) {
	t.Parallel()
	variables := env{"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")}
	require.Regexp(t, `(?m)^OK +PAYMENTD_TLS_CERTIFICATE +none$`, runDoctor(t, variables).Stdout, "on a loopback address")
	variables["PAYMENTD_ADDR"] = "0.0.0.0:3000"
	require.Regexp(t, `(?m)^WARN +PAYMENTD_TLS_CERTIFICATE +none$`, runDoctor(t, variables).Stdout)
	for end, level := range map[time.Duration]string{30 * 24 * time.Hour: "OK", 24 * time.Hour: "WARN", -time.Minute: "FAIL"} {
		variables["PAYMENTD_TLS_CERTIFICATE"], variables["PAYMENTD_TLS_KEY"] = apptest.Certify(t, t.TempDir(), time.Now().Add(end))
		require.Regexp(t, `(?m)^`+level+` +PAYMENTD_TLS_CERTIFICATE +expires at `, runDoctor(t, variables).Stdout)
	}
	variables["PAYMENTD_TLS_KEY"] = "/nowhere/tls.key"
	out := runDoctor(t, variables)
	require.Equal(t, 2, out.Code, out)
	require.Contains(t, out.Stderr, "PAYMENTD_TLS_KEY (--tls-key): must be a file that can be read, and /nowhere/tls.key is not: no such file or directory")
}

// TestServe_GatewayCheck_IsLogged checks that a wrong gateway is logged before the first payment. A gateway that is
// down is only a warning, because it may recover.
func TestServe_GatewayCheck_IsLogged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply       apptest.Reply
		level, want string
	}{
		"no marks":    {apptest.Reply{Unmarked: true}, "ERROR", "gives no answer of its own"},
		"a proxy":     {apptest.Reply{Unmarked: true, Status: http.StatusBadGateway}, "ERROR", "gives no answer of its own"},
		"wrong token": {apptest.Reply{Status: http.StatusUnauthorized}, "ERROR", "401"},
		"away":        {apptest.Reply{Lost: true}, "WARN", "gives no answer"},
		"broken":      {apptest.Reply{Status: http.StatusServiceUnavailable}, "WARN", "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := apptest.StartGateway(t)
			gateway.Do(func(apptest.Call) apptest.Reply { return c.reply })
			p := serve(t, env{"PAYMENTD_GATEWAY": gateway.URL})
			p.WaitLog(t, `"check":"gateway"`)
			line := lineWith(t, p.Log(), `"check":"gateway"`)
			require.Contains(t, line, `"level":"`+c.level+`"`)
			require.Contains(t, line, c.want)
			require.Contains(t, line, `"advice":"Check that PAYMENTD_GATEWAY`)
			require.Empty(t, gateway.Calls(""), "the check must not charge")
			require.Zero(t, p.Stop(t))
		})
	}
}

// TestSandbox_ForgetAfter_ForgetsOldKeys covers keys that are read from the ledger at the start.
func TestSandbox_ForgetAfter_ForgetsOldKeys(t *testing.T) {
	t.Parallel()
	ledger := filepath.Join(t.TempDir(), "sandbox.ledger")
	old := `{"key":"key-1","order_id":"order-1","amount":"1.00","currency":"USD","status":"succeeded",` +
		`"transaction_id":"txn-1","at":"2026-01-02T03:04:05Z"}` + "\n"
	require.NoError(t, os.WriteFile(ledger, []byte(old), 0o600))
	for _, c := range []struct {
		variables env
		status    int
	}{
		{env{"PAYMENTD_SANDBOX_LEDGER": ledger}, http.StatusOK},
		{env{"PAYMENTD_SANDBOX_LEDGER": ledger, "PAYMENTD_SANDBOX_FORGET_AFTER": "1h"}, http.StatusNotFound},
	} {
		p := apptest.Start(t, apptest.Build(t), c.variables, "sandbox")
		p.WaitReady(t)
		require.Equal(t, c.status, apptest.Status(t.Context(), p.URL+"/charges/key-1"))
		require.Zero(t, p.Stop(t))
	}
	out := apptest.Run(t, apptest.Build(t), nil, "sandbox", "--forget-after=-1s")
	require.Equal(t, 2, out.Code)
	require.Contains(t, out.Stderr, "PAYMENTD_SANDBOX_FORGET_AFTER (--forget-after): must be 0s (forever) or more, and is -1s")
}
