package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// messages returns the messages of the log lines that equal one of the texts.
func messages(t *testing.T, p *apptest.Process, texts ...string) (found []string) {
	t.Helper()
	for line := range strings.Lines(p.Log()) {
		var entry struct {
			Message string `json:"msg"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue // partially written
		}
		for _, text := range texts {
			if entry.Message == text {
				found = append(found, entry.Message)
			}
		}
	}
	return found
}

const (
	queueWaits = "queue paused: the database is unavailable"
	queueAgain = "queue resumed: the database is available"
)

// requireRefuses checks that the service is not ready, takes no payment, and calls no gateway.
func requireRefuses(t *testing.T, p *apptest.Process, gateway *apptest.Gateway, order, want string) {
	t.Helper()
	waitReadyz(t, p, http.StatusServiceUnavailable)
	charges := len(gateway.Charges())
	for range 3 {
		answer := apptest.Pay(t.Context(), p.URL, order, "5.00")
		require.Equal(t, http.StatusServiceUnavailable, answer.Code, answer)
		require.NotEmpty(t, answer.Header.Get("Retry-After"))
		require.Contains(t, answer.Body.Error, "nothing was charged by this request")
		answer = apptest.Get(t.Context(), p.URL, "/readyz")
		require.Equal(t, http.StatusServiceUnavailable, answer.Code, answer)
		require.Contains(t, answer.Body.Error, want)
	}
	require.Len(t, gateway.Charges(), charges)
}

// TestDatabaseFile_RemovedWhileRunning_RefusesPayments covers changes to the files of a database that would lose
// payments at the next start.
func TestDatabaseFile_RemovedWhileRunning_RefusesPayments(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"removed":         os.Remove,
		"renamed":         func(path string) error { return os.Rename(path, path+".old") },
		"cut off":         func(path string) error { return os.Truncate(path, 0) },
		"log removed":     func(path string) error { return os.Remove(path + "-wal") },
		"log cut off":     func(path string) error { return os.Truncate(path+"-wal", 0) },
		"replaced":        func(path string) error { return replaceBy(path, nil) },
		"folder replaced": replaceFolder,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := apptest.StartGateway(t)
			file := filepath.Join(t.TempDir(), "data", "paymentd.db")
			require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
			p := serve(t, env{"PAYMENTD_DATABASE": "sqlite:" + file, "PAYMENTD_GATEWAY": gateway.URL})
			require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)

			require.NoError(t, damage(file))
			answer := apptest.Pay(t.Context(), p.URL, "order-2", "5.00")
			require.Equal(t, http.StatusServiceUnavailable, answer.Code, "immediately, before any probe: %v", answer)
			require.Len(t, gateway.Charges(), 1)
			requireRefuses(t, p, gateway, "order-3", "accepts no writes")
			require.Contains(t, p.Log(), "restart the service")
			require.Empty(t, messages(t, p, queueAgain))
			require.LessOrEqual(t, len(messages(t, p, queueWaits)), 1)
			require.Len(t, messages(t, p, "not ready"), 1)
			require.Zero(t, p.Stop(t))
		})
	}
}

// replaceBy replaces the file at the path by another file, as an editor or mv does.
func replaceBy(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func replaceFolder(path string) error {
	folder := filepath.Dir(path)
	if err := os.Rename(folder, folder+".old"); err != nil {
		return err
	}
	return os.Mkdir(folder, 0o700)
}

func TestDatabaseFile_PutBack_ServesAgain(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	file := filepath.Join(t.TempDir(), "paymentd.db")
	p := serve(t, env{"PAYMENTD_DATABASE": "sqlite:" + file, "PAYMENTD_GATEWAY": gateway.URL})
	require.NoError(t, os.Rename(file, file+".old"))
	requireRefuses(t, p, gateway, "order-1", "accepts no writes")
	require.NoError(t, os.Rename(file+".old", file))
	waitReadyz(t, p, http.StatusOK)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
	p.WaitLog(t, "ready again")
}

// inShell runs a shell script and then `paymentd serve`. A user other than root becomes root in a user namespace.
func inShell(t *testing.T, variables env, script string) *apptest.Process {
	t.Helper()
	args := []string{"--mount", "/bin/sh", "-c", script + "\nexec " + apptest.Build(t) + " serve"}
	if os.Geteuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	variables = maps.Clone(variables)
	variables["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
	return apptest.Start(t, "/usr/bin/unshare", variables, args...)
}

// TestDiskFull_RefusesPaymentsUntilSpace fills up a separate file system, and frees it again.
func TestDiskFull_RefusesPaymentsUntilSpace(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	shared, disk := t.TempDir(), t.TempDir()
	full := filepath.Join(shared, "full")
	p := inShell(t, env{"PAYMENTD_DATABASE": "sqlite:" + disk + "/paymentd.db", "PAYMENTD_GATEWAY": gateway.URL}, fmt.Sprintf(`
		mount -t tmpfs -o size=8m none %[1]s || exit 3
		( while sleep 0.05; do
			if [ -e %[2]s ]; then [ -e %[1]s/ballast.done ] || { cat /dev/zero >%[1]s/ballast 2>/dev/null; : >%[1]s/ballast.done; }
			else rm -f %[1]s/ballast %[1]s/ballast.done; fi
			kill -0 $$ || exit
		done ) >/dev/null 2>&1 &`, disk, full))
	p.WaitReady(t)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)

	require.NoError(t, os.WriteFile(full, nil, 0o600))
	requireRefuses(t, p, gateway, "order-2", "accepts no writes")
	require.Contains(t, p.Log(), "the disk is full")
	require.NoError(t, os.Remove(full))
	waitReadyz(t, p, http.StatusOK)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-2", "5.00").Code)
	apptest.Eventually(t, time.Minute, func() error {
		if got := messages(t, p, queueWaits, queueAgain); len(got) != 2 {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
}

// asNobody returns a function that returns the command line of paymentd as a user who is not root, and a folder
// where that user may create files.
func asNobody(t *testing.T) (run func(args ...string) []string, folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, f := range []string{folder, filepath.Dir(folder)} { // the latter belongs to the test
		require.NoError(t, os.Chmod(f, 0o777))
	}
	binary := filepath.Join(folder, "bin")
	content, err := os.ReadFile(apptest.Build(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, content, 0o755))
	require.NoError(t, os.Chmod(binary, 0o755))
	if os.Geteuid() != 0 {
		return func(args ...string) []string { return append([]string{binary}, args...) }, folder
	}
	return func(args ...string) []string {
		return append([]string{"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary}, args...)
	}, folder
}

// TestDatabaseFile_OfAnotherUser_StartsNotReady also checks that the doctor reports the cause.
func TestDatabaseFile_OfAnotherUser_StartsNotReady(t *testing.T) {
	t.Parallel()
	run, folder := asNobody(t)
	gateway := apptest.StartGateway(t)
	file := filepath.Join(folder, "paymentd.db")
	variables := env{
		"PAYMENTD_DATABASE": "sqlite:" + file, "PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_API_KEYS": "",
	}
	out := apptest.Run(t, apptest.Build(t), variables, "migrate", "up")
	require.Zero(t, out.Code, out)
	require.NoError(t, os.Chmod(file, 0o444))
	command := run("serve")
	p := apptest.Start(t, command[0], variables, command[1:]...)
	p.WaitLog(t, "paymentd listens")
	requireRefuses(t, p, gateway, "order-1", "database")
	command = run("doctor")
	out = apptest.Run(t, command[0], variables, command[1:]...)
	require.Equal(t, 1, out.Code, out)
	require.Regexp(t, `FAIL +file +.*has mode 0444 and belongs to user \d+, and this is user \d+: permission denied`, out.Stdout)

	for _, suffix := range []string{"", "-wal", "-shm"} { // SQLite gives all files the mode of the first
		if err := os.Chmod(file+suffix, 0o666); !os.IsNotExist(err) {
			require.NoError(t, err)
		}
	}
	waitReadyz(t, p, http.StatusOK)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
}

// TestDatabaseFile_Mode checks that new files have mode 0600, and that another mode causes a warning and is kept.
func TestDatabaseFile_Mode(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "paymentd.db")
	variables := env{"PAYMENTD_DATABASE": "sqlite:" + file, "PAYMENTD_GATEWAY": "sandbox:" + filepath.Join(t.TempDir(), "l")}
	p := inShell(t, variables, "umask 022")
	p.WaitReady(t)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), f.Name())
	}
	require.NotContains(t, p.Log(), "file_mode")
	require.Zero(t, p.Stop(t))

	require.NoError(t, os.Chmod(file, 0o644))
	p = serve(t, variables)
	p.WaitLog(t, "chmod 600 "+file)
	require.Contains(t, runDoctor(t, variables).Stdout, "file_mode")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode())
}

// TestReadOnlyServer_RefusesPayments covers a read-only server and missing privileges. The log has one line at the
// begin and one at the end of the outage.
func TestReadOnlyServer_RefusesPayments(t *testing.T) {
	t.Parallel()
	server, root := privateDatabase(t)
	run := func(sql string) {
		t.Helper()
		require.NoError(t, server.Execute(t.Context(), sql))
	}
	run("CREATE USER 'app'@'%' IDENTIFIED BY 'secret'")
	run("GRANT ALL ON payments.* TO 'app'@'%'")
	u, err := url.Parse(root)
	require.NoError(t, err)
	u.User = url.UserPassword("app", "secret")
	gateway := apptest.StartGateway(t)
	variables := env{"PAYMENTD_DATABASE": u.String(), "PAYMENTD_GATEWAY": gateway.URL}
	p := serve(t, variables)
	for i, c := range []struct{ begin, end, doctor string }{
		{"SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "the server is read-only: read_only"},
		{
			"REVOKE INSERT, UPDATE, DELETE ON payments.* FROM 'app'@'%'", "GRANT INSERT, UPDATE, DELETE ON payments.* TO 'app'@'%'",
			"this user has no right to write there",
		},
	} {
		before := len(messages(t, p, queueWaits, queueAgain))
		run(c.begin)
		order := fmt.Sprintf("order-%d", i)
		requireRefuses(t, p, gateway, order, "accepts no writes")
		apptest.Eventually(t, time.Minute, func() error {
			if len(messages(t, p, queueWaits, queueAgain)) == before {
				return fmt.Errorf("no log line after %s", c.begin)
			}
			return nil
		})
		fresh := apptest.Start(t, apptest.Build(t), variables, "serve")
		fresh.WaitLog(t, "paymentd listens")
		requireRefuses(t, fresh, gateway, order, "accepts no writes")
		out := runDoctor(t, variables)
		require.Equal(t, 1, out.Code)
		require.Contains(t, out.Stdout, c.doctor)
		run(c.end)
		waitReadyz(t, fresh, http.StatusOK)
		waitReadyz(t, p, http.StatusOK)
		require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, order, "5.00").Code)
		apptest.Eventually(t, time.Minute, func() error {
			if got := messages(t, p, queueWaits, queueAgain)[before:]; len(got) != 2 {
				return fmt.Errorf("%s: %q", c.begin, got)
			}
			return nil
		})
	}
}
