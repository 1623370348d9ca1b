package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// TestSlowPayments_DoNotDelayOthers has 200 payments for which the gateway answers 503 after 3 s. Other payments at the
// same gateway, with the default settings, are not delayed.
//
//nolint:paralleltest // measures, and needs the machine for itself
func TestSlowPayments_DoNotDelayOthers(t *testing.T) {
	const stuck, healthyClients, span = 200, 8, 6 * time.Second
	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		if strings.HasPrefix(c.OrderID, "stuck-") {
			return apptest.Reply{Delay: 3 * time.Second, Status: http.StatusServiceUnavailable}
		}
		return apptest.Reply{}
	})
	p := serve(t, env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL})

	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for i := range stuck {
		clients.Go(func() { apptest.Pay(ctx, p.URL, fmt.Sprintf("stuck-%d", i), "5.00") })
	}
	waitCalls(t, gateway, "", stuck)

	var mu sync.Mutex
	var took times
	var healthy sync.WaitGroup
	end := time.Now().Add(span)
	for client := range healthyClients {
		healthy.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				a := apptest.Pay(t.Context(), p.URL, fmt.Sprintf("healthy-%d-%d", client, i), "5.00")
				mu.Lock()
				took = append(took, a.Took)
				mu.Unlock()
				if a.Code != http.StatusOK {
					t.Errorf("a healthy payment: %s", a)
				}
			}
		})
	}
	healthy.Wait()
	t.Logf("beside %d stuck payments, with %d calls to charge: %v", stuck, len(gateway.Calls("")), took)
	require.Less(t, took.percentile(95), time.Second)
	require.Equal(t, http.StatusOK, apptest.Status(t.Context(), p.URL+"/readyz"))
}
