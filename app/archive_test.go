package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// archived holds the members of an archive line that the tests read.
type archived struct {
	OrderID  string                 `json:"order_id"`
	State    string                 `json:"state"`
	Attempts []struct{ Number int } `json:"attempts"`
	Events   []struct {
		Number int
		Kind   string
	} `json:"events"`
}

// linesOf returns the lines of an archive by order. A partial line fails the test, unless it is the last.
func linesOf(t *testing.T, file string) map[string][]archived {
	t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	lines := make(map[string][]archived)
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // the command was killed
		}
		var a archived
		require.NoError(t, json.Unmarshal([]byte(line), &a), line)
		lines[a.OrderID] = append(lines[a.OrderID], a)
	}
	return lines
}

// TestArchive kills the command repeatedly while it archives and while the service runs.
func TestArchive(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archiveWhileKilled(t, database)
		})
	}
}

func archiveWhileKilled(t *testing.T, database string) {
	t.Helper()
	const orders = 300
	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		if !c.LookUp && c.Number < 3 {
			return apptest.Reply{Status: http.StatusServiceUnavailable}
		}
		return apptest.Reply{}
	})
	variables := env{
		"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_RETRY_DELAY": "1ms",
	}
	p := serve(t, variables)
	for i := range orders {
		order := fmt.Sprintf("order-%d", i)
		require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, order, "5.00").Code)
		require.Equal(t, http.StatusUnprocessableEntity, apptest.Pay(t.Context(), p.URL, order, "6.00").Code)
	}
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusPaymentRequired} })
	require.Equal(t, http.StatusPaymentRequired, apptest.Pay(t.Context(), p.URL, "order-declined", "5.00").Code)
	require.Equal(t, http.StatusPaymentRequired, apptest.Pay(t.Context(), p.URL, "order-declined", "5.00").Code)

	file := filepath.Join(t.TempDir(), "archive.jsonl")
	young := apptest.Run(t, apptest.Build(t), variables, "archive", "--to="+file)
	require.Equal(t, apptest.Output{Stdout: "0 archived, 0 left for the next run because they changed during this run\n"}, young)
	run := func() *apptest.Process {
		return apptest.Start(t, apptest.Build(t), variables, "archive", "--older-than=0s", "--by=ada", "--to="+file)
	}
	killed := 0
	for done := false; !done && killed < 8; killed++ {
		before := sizeOf(file)
		victim := run()
		apptest.Eventually(t, time.Minute, func() error {
			if done = strings.Contains(victim.Log(), " archived, "); done || sizeOf(file) > before {
				return nil
			}
			return errNotYet
		})
		time.Sleep(time.Duration(killed) * 25 * time.Millisecond) // kills each run later during its deletes
		victim.Kill()
		requireNothingLost(t, p.URL, file, orders)
	}
	last := run()
	require.Zero(t, last.Wait(t), last.Log())
	requireNothingLost(t, p.URL, file, orders)
	lines := 0
	for _, of := range linesOf(t, file) {
		lines += len(of)
	}
	require.Len(t, linesOf(t, file), orders+1)
	t.Logf("killed %d times; %d lines for %d payments", killed, lines, orders+1)

	// Only the histories have left the payments.
	stored, err := apptest.Find(t.Context(), p.URL, "order-0")
	require.NoError(t, err)
	require.Len(t, stored.Attempts, 1)
	require.Equal(t, 3, stored.Attempts[0].Number)
	require.Contains(t, stored.Raw, `"kind":"archived"`)
	require.Equal(t, "true", apptest.Pay(t.Context(), p.URL, "order-0", "5.00").Header.Get("Idempotent-Replayed"))
	require.Len(t, gateway.Taken("order-0"), 1)
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{} })
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-declined", "5.00").Code)
	stored, err = apptest.Find(t.Context(), p.URL, "order-declined")
	require.NoError(t, err)
	require.Equal(t, 3, stored.Attempts[len(stored.Attempts)-1].Number, stored.Raw)
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// requireNothingLost checks that each history is in the database or in the file.
func requireNothingLost(t *testing.T, base, file string, orders int) {
	t.Helper()
	lines := linesOf(t, file)
	for i := range orders {
		order := fmt.Sprintf("order-%d", i)
		stored, err := apptest.Find(t.Context(), base, order)
		require.NoError(t, err)
		if !strings.Contains(stored.Raw, `"kind":"archived"`) {
			require.Len(t, stored.Attempts, 3, stored.Raw)
			require.Contains(t, stored.Raw, `"kind":"refused"`)
			continue
		}
		require.NotEmpty(t, lines[order], "%s is neither in the archive nor in the database", order)
		line := lines[order][0]
		require.Len(t, line.Attempts, 3)
		require.Len(t, line.Events, 1)
		require.Equal(t, "refused", line.Events[0].Kind)
	}
}

// archivedOnce returns the variables of a database with two archivable payments, and a line of its archive.
func archivedOnce(t *testing.T) (variables env, line string) {
	t.Helper()
	variables = env{"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"), "PAYMENTD_GATEWAY": apptest.StartGateway(t).URL}
	p := serve(t, variables)
	for _, order := range []string{"order-1", "order-2"} {
		require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, order, "5.00").Code)
		require.Equal(t, http.StatusUnprocessableEntity, apptest.Pay(t.Context(), p.URL, order, "6.00").Code)
	}
	require.Zero(t, p.Stop(t))
	copyOf := filepath.Join(t.TempDir(), "paymentd.db")
	whole, err := os.ReadFile(strings.TrimPrefix(variables["PAYMENTD_DATABASE"], "sqlite:"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copyOf, whole, 0o600))
	file := filepath.Join(t.TempDir(), "archive.jsonl")
	out := apptest.Run(t, apptest.Build(t), env{"PAYMENTD_DATABASE": "sqlite:" + copyOf}, "archive", "--older-than=0s", "--to="+file)
	require.Equal(t, apptest.Output{Stdout: "2 archived, 0 left for the next run because they changed during this run\n"}, out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	files, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, files, 1, "only the archive is left")
	line, _, _ = strings.Cut(string(text), "\n")
	return variables, line + "\n"
}

// contentOf returns the content of a regular file.
func contentOf(file string) string {
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestArchive_OtherFiles_AreUnchanged checks that a file that is not an archive, and the database, stay the same.
func TestArchive_OtherFiles_AreUnchanged(t *testing.T) {
	t.Parallel()

	variables, line := archivedOnce(t)
	database := strings.TrimPrefix(variables["PAYMENTD_DATABASE"], "sqlite:")
	folder := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		return file
	}
	archive := write("archive.jsonl", line)
	link, dangling, pipe := filepath.Join(folder, "link"), filepath.Join(folder, "dangling"), filepath.Join(folder, "pipe")
	require.NoError(t, os.Symlink(archive, link))
	require.NoError(t, os.Symlink(filepath.Join(folder, "created"), dangling))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	hard := filepath.Join(filepath.Dir(database), "hard")
	require.NoError(t, os.Link(database, hard))
	ledger := `{"key":"key-1","order_id":"order-1","amount":"1.00","currency":"USD","status":"succeeded","transaction_id":"txn-1"}` + "\n"
	for to, want := range map[string]string{
		database:                "is not an archive of paymentd",
		hard:                    "is not an archive of paymentd",
		database + "-wal":       "has the name of a part of a SQLite database",
		database + "-shm":       "has the name of a part of a SQLite database",
		write("ledger", ledger): "is not an archive of paymentd",
		write("empty", ""):      "is not an archive of paymentd",
		write("text", "a line of something else\n"):      "is not an archive of paymentd",
		write("word", "no line"):                         "is not an archive of paymentd",
		write("zeros", "\x00\x00\x00\x00\x00"):           "is not an archive of paymentd",
		write("brace", "{"):                              "is not an archive of paymentd",
		write("other", `{"order_id":"order-1"}`+"\n"):    "is not an archive of paymentd",
		write("ends otherwise", line+"something else"):   "does not end in a line of an archive",
		write("ends in a line", line+"something else\n"): "does not end in a line of an archive",
		folder: "is a folder, a device or a pipe", "/dev/null": "is a folder, a device or a pipe", pipe: "is a folder, a device or a pipe",
		link: "is a symbolic link", dangling: "is a symbolic link", "/dev/stdout": "is a ", "-": "must name a file",
		filepath.Join(folder, "nowhere", "a.jsonl"): "is not a folder: create it first",
	} {
		before := contentOf(to)
		for _, more := range [][]string{nil, {"--dry-run"}} {
			args := append([]string{"archive", "--older-than=0s", "--to=" + to}, more...)
			out := apptest.RunIn(t, folder, apptest.Build(t), variables, args...)
			require.Equal(t, 2, out.Code, "%s: %s", to, out)
			require.Empty(t, out.Stdout)
			require.Contains(t, out.Stderr, "--to: ")
			require.Contains(t, out.Stderr, want, to)
			require.Equal(t, 1, strings.Count(out.Stderr, "\n"))
		}
		require.True(t, before == contentOf(to), "%s was changed", to)
	}
	require.NoFileExists(t, filepath.Join(folder, "created"))
	require.NoFileExists(t, filepath.Join(folder, "-"))
	out := apptest.Run(t, apptest.Build(t), variables, "archive", "--older-than=0s", "--dry-run", "--to="+filepath.Join(folder, "new"))
	require.Equal(t, apptest.Output{Stdout: "2 would be archived\n"}, out, "nothing was archived")
	require.NoFileExists(t, filepath.Join(folder, "new"))

	// A second run, or another program, may hold the lock.
	locked, err := os.Open(archive)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(locked.Fd()), syscall.LOCK_SH))
	out = apptest.Run(t, apptest.Build(t), variables, "archive", "--older-than=0s", "--to="+archive)
	require.Equal(t, 1, out.Code, out)
	require.Contains(t, out.Stderr, "is in use by another process, such as another run")
	require.NoError(t, locked.Close())
	require.Zero(t, apptest.Run(t, apptest.Build(t), variables, "archive", "--older-than=0s", "--to="+archive).Code)
	require.Len(t, linesOf(t, archive)["order-1"], 2, "the archive was not appended to")
}

// TestArchive_TornEnd_IsRepaired checks that a partial line is truncated, a whole line is kept, and new lines follow.
func TestArchive_TornEnd_IsRepaired(t *testing.T) {
	t.Parallel()

	_, line := archivedOnce(t)
	whole := strings.Repeat(line, 1000)
	for name, c := range map[string]struct{ torn, kept string }{
		"a part":              {whole + line[:50], whole},
		"a little":            {whole + "{", whole},
		"a part, then zeros":  {whole + line[:50] + strings.Repeat("\x00", 300_000), whole},
		"zeros":               {whole + strings.Repeat("\x00", 4096), whole},
		"all but a line feed": {whole + strings.TrimSuffix(line, "\n"), whole + line},
		"nothing":             {whole, whole},
		"a long part":         {whole + line[:50] + strings.Repeat("x", 200_000), whole},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables, line := archivedOnce(t)
			file := filepath.Join(t.TempDir(), "archive.jsonl")
			require.NoError(t, os.WriteFile(file, []byte(c.torn), 0o600))
			out := apptest.Run(t, apptest.Build(t), variables, "archive", "--older-than=0s", "--to="+file)
			require.Zero(t, out.Code, out)
			got, err := os.ReadFile(file)
			require.NoError(t, err)
			added, ok := strings.CutPrefix(string(got), c.kept)
			require.True(t, ok, "the whole lines are kept")
			require.Equal(t, 2, strings.Count(added, "\n"))
			require.Contains(t, added, line)
			require.Len(t, linesOf(t, file)["order-2"], 1)
		})
	}
}
