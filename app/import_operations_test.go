package app_test

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// moved are requests that move or hold money, after the backup.
var moved = []struct{ order, what, body string }{
	{"order-1", "refunds", `{"refund_id":"r-1","amount":25.00}`},
	{"order-1", "refunds", `{"refund_id":"r-2","amount":30.00}`},
	{"order-2", "process", `{"order_id":"order-2","amount":10.00}`},
	{"order-2", "refunds", `{"refund_id":"r-1","amount":4.00}`},
	{"held-1", "capture", `{"amount":60.00}`},
	{"held-1", "refunds", `{"refund_id":"r-1","amount":20.00}`},
	{"held-2", "void", `{}`},
	{"held-3", "process", `{"order_id":"held-3","amount":5.00,"capture":"manual"}`},
	{"held-3", "capture", `{}`},
	{"held-4", "process", `{"order_id":"held-4","amount":6.00,"capture":"manual"}`},
}

// requestMoved sends all of these, and returns the answers.
func requestMoved(t *testing.T, base string) (answers []string) {
	t.Helper()
	for _, m := range moved {
		path := "/payments/" + m.order + "/" + m.what
		if m.what == "process" {
			path = "/payments/process"
		}
		a := apptest.Ask(t.Context(), http.MethodPost, base+path, m.body)
		require.Equal(t, http.StatusOK, a.Code, "%s %s: %s", m.order, m.what, a)
		answers = append(answers, strings.Replace(a.Raw, "authorized", "success", 1)) // which it becomes by its capture
	}
	return answers
}

// TestRestore_Operations_AreImported loses a service, restores an old copy of its file, imports the ledger of the
// sandbox as a whole, and repeats every request: the gateway moves nothing twice.
func TestRestore_Operations_AreImported(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"in the process", "over HTTP"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			ledger, copied := filepath.Join(folder, "ledger"), filepath.Join(folder, "copy.db")
			variables := env{"PAYMENTD_GATEWAY": "sandbox:" + ledger}
			if name == "over HTTP" {
				address := apptest.FreeAddress(t)
				apptest.Start(t, apptest.Build(t), env{}, "sandbox", "--addr="+address, "--ledger="+ledger)
				variables = env{"PAYMENTD_GATEWAY": "http://" + address}
			}
			p := serve(t, variables)
			require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "100.00").Code)
			for _, order := range []string{"held-1", "held-2"} {
				require.Equal(t, http.StatusOK, holdOrder(t, p.URL, order, "100.00").Code)
			}
			file := filepath.Join(p.Folder, "paymentd.db")
			backUp(t, file, copied)
			answers := requestMoved(t, p.URL)
			p.Kill()
			restoreFile(t, copied, file)

			before := readFile(t, ledger)
			list := filepath.Join(folder, "list")
			copyFile(t, ledger, list)
			run := func(args ...string) apptest.Output {
				out := apptest.RunIn(t, p.Folder, apptest.Build(t), variables, append(args, list)...)
				require.Zero(t, out.Code, out)
				return out
			}
			require.Contains(t, run("import", "--dry-run").Stdout, "10 missing, 3 known, 0 refused")
			added := run("import", "--by=ada").Stdout
			require.Contains(t, added, "added\torder-1\trefund-1\trefund r-1 of 25.00 USD\n")
			require.Contains(t, added, "10 added, 3 known, 0 refused")
			require.Contains(t, run("import").Stdout, "0 added, 13 known, 0 refused")
			require.Contains(t, run("import", "--dry-run").Stdout, "0 missing, 13 known, 0 refused")

			p = p.Restart(t)
			p.WaitReady(t)
			require.Equal(t, answers, requestMoved(t, p.URL))
			whole := apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw
			require.Contains(t, whole, `"refunded":"55.00","refundable":"45.00"`)
			require.Contains(t, whole, `"kind":"imported"`)
			a := refundOrder(t, p.URL, "order-1", `{"refund_id":"r-3","amount":45.01}`)
			require.Equal(t, http.StatusUnprocessableEntity, a.Code, a)
			require.Zero(t, p.Stop(t))
			require.Equal(t, before, readFile(t, ledger), "the gateway has moved nothing again")

			// Without the import, the customer gets the money twice.
			restoreFile(t, copied, file)
			p = p.Restart(t)
			p.WaitReady(t)
			require.Equal(t, http.StatusOK, refundOrder(t, p.URL, "order-1", moved[0].body).Code)
			require.Zero(t, p.Stop(t))
			require.Equal(t, 2, strings.Count(readFile(t, ledger), `"refund_id":"r-1","order_id":"order-1"`))
		})
	}
}

// backUp makes a consistent copy of a database that is in use.
func backUp(t *testing.T, file, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO '"+strings.ReplaceAll(to, "'", "''")+"'")
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// restoreFile replaces a database by a copy.
func restoreFile(t *testing.T, copied, file string) {
	t.Helper()
	for _, part := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + part); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
	copyFile(t, copied, file)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// TestResolve_Authorized_NamesTheVoid has a hold that the gateway has released. No outcome is open, so that nothing is to
// be stated: the void finds its state.
func TestResolve_Authorized_NamesTheVoid(t *testing.T) {
	t.Parallel()
	p := serve(t, env{})
	require.Equal(t, http.StatusOK, holdOrder(t, p.URL, "order-1", "9301.00").Code, "a hold that expires at once")
	for _, outcome := range []string{"--failed", "--succeeded=txn-1", "--authorized=txn-1"} {
		out := apptest.RunIn(t, p.Folder, apptest.Build(t), env{}, "resolve", "order-1", outcome, "--reason=released", "--by=ada")
		require.Equal(t, 1, out.Code, out)
		require.Contains(t, out.Stderr, "release it with `paymentd void`, which also finds that the gateway has released it already")
	}
	out := apptest.RunIn(t, p.Folder, apptest.Build(t), env{}, "void", "order-1", "--reason=released", "--by=ada")
	require.Zero(t, out.Code, out)
	apptest.WaitState(t, 30*time.Second, p.URL, "order-1", "voided")
	require.Zero(t, p.Stop(t))
}
