package app_test

import (
	"database/sql"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

func TestMigrate_UpDownStatus(t *testing.T) {
	t.Parallel()

	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(args ...string) apptest.Output {
				return apptest.Run(t, apptest.Build(t), env{"PAYMENTD_DATABASE": database}, args...)
			}
			const missing = "the database has no tables yet: run `paymentd migrate up`"
			none, noStep := missing, "migrate down: the database has no tables, so that there is no step to take back; nothing was changed"
			if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
				none = "there is no database at " + file + ": name the right file, or run `paymentd migrate up`, which makes one"
				noStep = "migrate down: " + none + "; nothing was changed"
			}
			const notCurrent = "paymentd: the schema is not at the version of this program\n"
			require.Equal(t, apptest.Output{Code: 1, Stderr: "paymentd: " + none + "\n"}, run("stuck"))
			require.Equal(t, apptest.Output{Code: 1, Stdout: none + "\n", Stderr: notCurrent}, run("migrate", "status"))
			require.Equal(t, apptest.Output{Code: 1, Stderr: "paymentd: " + noStep + "\n"}, run("migrate", "down"))

			require.Regexp(t, `^the schema is current, at version \d+\n$`, run("migrate", "up").Stdout)
			require.Equal(t, run("migrate", "up"), run("migrate", "status"), "a second run changes nothing")
			require.Zero(t, run("migrate", "status").Code)
			require.Equal(t, apptest.Output{Stdout: "ORDER  STATE  GATEWAY  SINCE  ATTEMPTS  NEXT  WHY\n"}, run("stuck"))

			older := run("migrate", "down")
			require.Zero(t, older.Code, older)
			require.Regexp(t, "(?m)^the schema is at version \\d+ and this program needs \\d+: run `paymentd migrate up`\n$", older.Stdout)
			require.Equal(t, 1, run("stuck").Code)
			require.Equal(t, 1, run("migrate", "status").Code, "older")
			require.Equal(t, 2, run("migrate", "down", "--all").Code, "one step at a time")
			require.Contains(t, run("migrate", "up").Stdout, "the schema is current")
		})
	}
}

// TestMigrateStatus_OtherVersion_ExitsWithOne checks that only the version of this program exits with 0.
func TestMigrateStatus_OtherVersion_ExitsWithOne(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ change, want string }{
		"newer": {"UPDATE schema_migrations SET version = 1000", "the schema is at version 1000, newer than the"},
		"dirty": {"UPDATE schema_migrations SET dirty = 1", "the schema is dirty: the migration to version"},
		"older": {"UPDATE schema_migrations SET version = 1", "the schema is at version 1 and this program needs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "paymentd.db")
			variables := env{"PAYMENTD_DATABASE": "sqlite:" + file}
			require.Zero(t, apptest.Run(t, apptest.Build(t), variables, "migrate", "up").Code)
			change(t, file, c.change)
			out := apptest.Run(t, apptest.Build(t), variables, "migrate", "status")
			require.Equal(t, 1, out.Code, out)
			require.Contains(t, out.Stdout, c.want)
			require.Equal(t, 1, strings.Count(out.Stdout, "\n"))
		})
	}
}

// change executes a statement on a SQLite file.
func change(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, errors.Join(err, db.Close()))
}

// TestMigrateDown_KeepsPayments undoes as many migrations as possible and requests the order again, which is not
// charged again.
func TestMigrateDown_KeepsPayments(t *testing.T) {
	t.Parallel()

	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := apptest.StartGateway(t)
			variables := env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_HEARTBEAT_TIMEOUT": "1s"}
			run := func(args ...string) apptest.Output {
				return apptest.Run(t, apptest.Build(t), variables, args...)
			}
			p := serve(t, variables)
			require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
			for range 7 {
				beside := run("migrate", "down", "--drop-payments")
				require.Equal(t, 1, beside.Code, beside)
				require.Contains(t, beside.Stderr, "stop")
				require.Contains(t, beside.Stderr, "nothing was changed")
				require.Equal(t, 1, strings.Count(beside.Stderr, "\n"))
			}
			p.Kill()
			apptest.Eventually(t, 30*time.Second, func() error { // until the replica counts as dead
				if out := run("migrate", "down"); out.Code != 0 && !strings.Contains(out.Stderr, "--drop-payments") {
					return errors.New(out.Stderr)
				}
				return nil
			})
			var last apptest.Output
			for last.Code == 0 {
				last = run("migrate", "down")
			}
			require.Equal(t, 1, last.Code, last)
			require.Contains(t, last.Stderr, "payments (1 row)")
			require.Contains(t, last.Stderr, "--drop-payments")

			require.Zero(t, run("migrate", "up").Code)
			p = serve(t, variables)
			require.Equal(t, "true", apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Header.Get("Idempotent-Replayed"))
			require.Len(t, gateway.Taken("order-1"), 1)
			require.Zero(t, p.Stop(t))

			// --drop-payments drops the rows. Then neither the service nor migrate up creates new tables without
			// --start-empty.
			for last = (apptest.Output{}); last.Code == 0; last = run("migrate", "down", "--drop-payments") {
			}
			require.Contains(t, last.Stderr, "there is no step to take back")
			for _, command := range [][]string{{"migrate", "up"}, {"serve"}} {
				out := run(command...)
				require.NotZero(t, out.Code, command)
				require.Contains(t, out.Stderr, "orders that were paid would be charged again")
			}
			require.Equal(t, 1, run("migrate", "status").Code)
			require.Zero(t, run("migrate", "up", "--start-empty").Code)
			require.Zero(t, run("migrate", "up").Code)
		})
	}
}

// TestResolve_UnresolvedPayments settles payments by hand whose gateway answers neither the charge nor a lookup.
func TestResolve_UnresolvedPayments(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		if c.LookUp {
			return apptest.Reply{Lost: true}
		}
		return apptest.Reply{Status: http.StatusInternalServerError}
	})
	variables := env{
		"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL,
		"PAYMENTD_RETRY_DELAY": "10ms", "PAYMENTD_RECONCILE": "15m",
	}
	p := serve(t, variables)
	run := func(args ...string) apptest.Output { return apptest.Run(t, apptest.Build(t), variables, args...) }
	for _, order := range []string{"order-1", "order-2"} {
		answer := apptest.Pay(t.Context(), p.URL, order, "5.00")
		require.Equal(t, http.StatusAccepted, answer.Code, answer)
		require.Equal(t, "unresolved", answer.Body.Status)
		require.Equal(t, "/payments/"+order, answer.Header.Get("Location"))
		require.Len(t, gateway.Calls(order), 4)
	}

	stuck := run("stuck")
	require.Regexp(t, `(?m)^order-1 +unresolved +http:\S+ +\d+s +4 +in 1\dm\d+s +\S+`, stuck.Stdout)
	require.Equal(t, 3, strings.Count(stuck.Stdout, "\n"), stuck.Stdout)
	require.Equal(t, 2, strings.Count(run("stuck", "--limit=1").Stdout, "\n"))

	require.Equal(t, apptest.Output{Stdout: "order-1 is succeeded\n"},
		run("resolve", "order-1", "--succeeded=txn-found", "--by=ada", "--reason=seen in their console"))
	require.Equal(t, apptest.Output{Stdout: "order-2 is failed\n"},
		run("resolve", "order-2", "--failed", "--by=ada", "--reason=their support has looked"))
	for _, again := range []apptest.Output{
		run("resolve", "order-1", "--failed", "--reason=no"), run("resolve", "order-2", "--succeeded=txn-2"),
	} {
		require.Equal(t, 1, again.Code)
		require.Contains(t, again.Stderr, "only one whose outcome is open can be resolved")
	}
	unknown := run("resolve", "order-3", "--succeeded=txn-3")
	require.Equal(t, 1, unknown.Code)
	require.Equal(t, 1, strings.Count(unknown.Stderr, "\n"))
	require.Equal(t, 1, strings.Count(run("stuck").Stdout, "\n"), "no payment is stuck")

	replay := apptest.Pay(t.Context(), p.URL, "order-1", "5.00")
	require.Equal(t, "txn-found", replay.Body.TransactionID, replay)
	stored, err := apptest.Find(t.Context(), p.URL, "order-2")
	require.NoError(t, err)
	require.Equal(t, "failed", stored.State)
	require.Contains(t, stored.Raw, `"kind":"resolved"`)
	require.Contains(t, stored.Raw, "ada")
	require.Contains(t, stored.Raw, "their support has looked")

	// A failed payment may be retried, with the same gateway key.
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{} })
	requireChargedOnce(t, gateway, "order-2", apptest.Pay(t.Context(), p.URL, "order-2", "5.00"))
}

// TestSandbox_Killed_KeepsItsLedger kills the sandbox process during payments, which succeed after its restart.
func TestSandbox_Killed_KeepsItsLedger(t *testing.T) {
	t.Parallel()

	sandbox := apptest.Start(t, apptest.Build(t), nil, "sandbox")
	sandbox.WaitReady(t)
	p := serve(t, env{"PAYMENTD_GATEWAY": sandbox.URL, "PAYMENTD_RETRY_DELAY": "500ms"})
	first := apptest.Pay(t.Context(), p.URL, "order-1", "5.00")
	require.Equal(t, "txn-1", first.Body.TransactionID, first)

	sandbox.Kill()
	asked := pay(t, p.URL, "order-2", "6.00")
	apptest.Eventually(t, 10*time.Second, inBackoff(t, p, "order-2"))
	sandbox = sandbox.Restart(t)
	second := <-asked
	require.Equal(t, "txn-2", second.Body.TransactionID, second)
	lost := apptest.Pay(t.Context(), p.URL, "order-3", "9504.00") // charged; the first answer is lost
	require.Equal(t, "txn-3", lost.Body.TransactionID, lost)

	sandbox.Kill()
	sandbox = sandbox.Restart(t)
	sandbox.WaitReady(t)
	ledger := apptest.Get(t.Context(), sandbox.URL, "/ledger").Raw
	require.Equal(t, 3, strings.Count(ledger, "\n"), ledger)
	for _, transaction := range []string{"txn-1", "txn-2", "txn-3"} {
		require.Equal(t, 1, strings.Count(ledger, `"`+transaction+`"`))
	}
	require.Zero(t, sandbox.Stop(t))
}

func TestHealth_ExitCodes(t *testing.T) {
	t.Parallel()

	p := serve(t, nil)
	run := func(url string) apptest.Output { return apptest.Run(t, apptest.Build(t), nil, "health", url) }
	require.Equal(t, apptest.Output{}, run(p.URL+"/readyz"))
	require.Equal(t, apptest.Output{}, run(p.URL+"/healthz"))
	wrong := run(p.URL + "/nowhere")
	require.Equal(t, 1, wrong.Code)
	require.Contains(t, wrong.Stderr, "404")
	require.Zero(t, p.Stop(t))
	gone := run(p.URL + "/healthz")
	require.Equal(t, apptest.Output{Code: 1, Stderr: "paymentd: " + p.URL + "/healthz gives no answer: connection refused\n"}, gone)
	for _, wrong := range []string{"foo", "127.0.0.1:3000", "ftp://127.0.0.1/healthz", "http://", "http://:3000/healthz"} {
		out := run(wrong)
		require.Equal(t, 2, out.Code, out)
		require.Contains(t, out.Stderr, "must be an http:// or https:// address")
		require.Equal(t, 1, strings.Count(out.Stderr, "\n"))
	}
}
