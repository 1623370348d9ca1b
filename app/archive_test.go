package app_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// archived is what the test reads of a line.
type archived struct {
	OrderID  string                 `json:"order_id"`
	State    string                 `json:"state"`
	Attempts []struct{ Number int } `json:"attempts"`
	Events   []struct {
		Number int
		Kind   string
	} `json:"events"`
}

// linesOf returns the lines of an archive, by order. A torn one fails the test, unless it is
// the last.
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
			break // it was killed
		}
		var a archived
		require.NoError(t, json.Unmarshal([]byte(line), &a), line)
		lines[a.OrderID] = append(lines[a.OrderID], a)
	}
	return lines
}

// TestArchive takes histories away while it is killed again and again, and while the service
// runs.
func TestArchive(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archiveUnderFire(t, database)
		})
	}
}

func archiveUnderFire(t *testing.T, database string) {
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
	require.Equal(t, apptest.Output{Stdout: "0 archived, 0 left for the next run: they changed meanwhile\n"}, young)
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
		time.Sleep(rand.N(200 * time.Millisecond)) // it deletes
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

	// The payments are as they were, but for what has left.
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

// requireNothingLost holds that what is not in the database is in the file, and on the disk.
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
		require.NotEmpty(t, lines[order], "%s is not in the archive, and has left", order)
		line := lines[order][0]
		require.Len(t, line.Attempts, 3)
		require.Len(t, line.Events, 1)
		require.Equal(t, "refused", line.Events[0].Kind)
	}
}

func TestArchiveCutsATornLine(t *testing.T) {
	t.Parallel()
	variables := env{"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")}
	require.Zero(t, apptest.Run(t, apptest.Build(t), variables, "migrate", "up").Code)
	whole := strings.Repeat(`{"order_id":"order-1"}`+"\n", 10_000)
	for torn, want := range map[string]string{
		whole + `{"order_id":"ord`: whole, whole: whole, `{"ord`: "", "": "",
		whole + strings.Repeat("x", 200_000): whole,
	} {
		file := filepath.Join(t.TempDir(), "archive.jsonl")
		require.NoError(t, os.WriteFile(file, []byte(torn), 0o600))
		require.Zero(t, apptest.Run(t, apptest.Build(t), variables, "archive", "--to="+file).Code)
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, want == string(got), "%d bytes are left, not %d", len(got), len(want))
	}
}
