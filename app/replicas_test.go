package app_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// TestServe_EightConcurrentStarts_MigrateOnce starts eight replicas on one empty database.
func TestServe_EightConcurrentStarts_MigrateOnce(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	variables := env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL}
	var replicas []*apptest.Process
	for range 8 {
		replicas = append(replicas, apptest.Start(t, apptest.Build(t), variables, "serve"))
	}
	for i, p := range replicas {
		p.WaitReady(t)
		order := fmt.Sprintf("order-%d", i)
		requireChargedOnce(t, gateway, order, apptest.Pay(t.Context(), p.URL, order, "5.00"))
	}
	out := apptest.Run(t, apptest.Build(t), variables, "migrate", "status")
	require.Contains(t, out.Stdout, "the schema is current")
	for _, p := range replicas {
		require.Zero(t, p.Stop(t))
	}
}

// TestServe_TwoProcessesOnOneSQLiteFile_ChargeOnce covers a setup that is not supported but must be safe.
func TestServe_TwoProcessesOnOneSQLiteFile_ChargeOnce(t *testing.T) {
	t.Parallel()

	const orders = 40
	gateway := apptest.StartGateway(t)
	variables := env{
		"PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"), "PAYMENTD_GATEWAY": gateway.URL,
	}
	// Both processes migrate the file.
	processes := [2]*apptest.Process{
		apptest.Start(t, apptest.Build(t), variables, "serve"), apptest.Start(t, apptest.Build(t), variables, "serve"),
	}
	for _, p := range processes {
		p.WaitReady(t)
	}
	var answers [orders][2]apptest.Answer
	var clients sync.WaitGroup
	for i := range orders {
		for side, p := range processes {
			clients.Go(func() { answers[i][side] = apptest.Pay(t.Context(), p.URL, fmt.Sprintf("order-%d", i), "5.00") })
		}
	}
	clients.Wait()

	codes := make(map[int]int)
	for i := range orders {
		order := fmt.Sprintf("order-%d", i)
		require.LessOrEqual(t, len(gateway.Taken(order)), 1, order)
		for _, a := range answers[i] {
			codes[a.Code]++
			if a.Code == http.StatusOK {
				requireChargedOnce(t, gateway, order, a)
			}
		}
		// Repeating the request leads to success, regardless of the first answers.
		apptest.Eventually(t, 30*time.Second, func() error {
			a := apptest.Pay(t.Context(), processes[0].URL, order, "5.00")
			if a.Code != http.StatusOK {
				return fmt.Errorf("%s: %s", order, a)
			}
			requireChargedOnce(t, gateway, order, a)
			return nil
		})
	}
	t.Logf("answers by status: %v", codes)
}
