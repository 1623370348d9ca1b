package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// TestHotOrder_ConcurrentRequests_ChargedOnce sends 400 concurrent requests for one order to two replicas.
//
//nolint:paralleltest // measures, and needs the machine for itself
func TestHotOrder_ConcurrentRequests_ChargedOnce(t *testing.T) {
	const requests = 400
	gateway := apptest.StartGateway(t)
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Delay: 300 * time.Millisecond} })
	variables := env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL}
	replicas := []*apptest.Process{serve(t, variables), serve(t, variables)}

	answers := make([]apptest.Answer, requests)
	var clients sync.WaitGroup
	for i := range answers {
		clients.Go(func() {
			answers[i] = apptest.Pay(t.Context(), replicas[i%2].URL, "order-1", "100.00")
		})
	}
	clients.Wait()

	require.Len(t, gateway.Calls("order-1"), 1)
	taken := gateway.Taken("order-1")
	require.Len(t, taken, 1)
	replayed, busy, took := 0, 0, times(nil)
	for _, a := range answers {
		took = append(took, a.Took)
		switch a.Code {
		case http.StatusOK:
			require.Equal(t, taken[0], a.Body.TransactionID)
			replayed++
		case http.StatusConflict:
			busy++
		default:
			require.Fail(t, "neither the transaction nor a conflict", "%s", a)
		}
	}
	t.Logf("%d answers with the transaction, %d conflicts; %v", replayed, busy, took)
	require.GreaterOrEqual(t, replayed, 390)
}

// TestNewOrders_ConcurrentPairs_ChargedOnce has 64 clients in pairs that repeatedly request the same new order
// from two replicas at the same time.
//
//nolint:paralleltest // as above
func TestNewOrders_ConcurrentPairs_ChargedOnce(t *testing.T) {
	const pairs, rounds = 32, 12
	gateway := apptest.StartGateway(t)
	variables := env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL}
	replicas := [2]*apptest.Process{serve(t, variables), serve(t, variables)}

	order := func(pair, round int) string { return fmt.Sprintf("order-%d-%d", pair, round) }
	var answers [pairs][rounds][2]apptest.Answer
	var clients sync.WaitGroup
	for pair := range pairs {
		clients.Go(func() {
			for round := range rounds {
				var both sync.WaitGroup
				for side, replica := range replicas {
					both.Go(func() {
						answers[pair][round][side] = apptest.Pay(t.Context(), replica.URL, order(pair, round), "5.00")
					})
				}
				both.Wait()
			}
		})
	}
	clients.Wait()

	var took times
	for pair := range pairs {
		for round := range rounds {
			for _, a := range answers[pair][round] {
				requireChargedOnce(t, gateway, order(pair, round), a)
				took = append(took, a.Took)
			}
		}
	}
	require.Len(t, gateway.Charges(), pairs*rounds)
	t.Logf("%d orders, each charged once; %v", pairs*rounds, took)
}
