package app_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// The acceptance tests run the service as in production: as separate processes, on a real database server, with
// a gateway behind a socket.

// errNotYet makes [apptest.Eventually] try again.
var errNotYet = errors.New("not yet")

// env holds the environment variables of a process.
type env map[string]string

// serve starts a replica of the service and waits until it is ready.
func serve(t *testing.T, variables env) *apptest.Process {
	t.Helper()
	p := apptest.Start(t, apptest.Build(t), variables, "serve")
	p.WaitReady(t)
	return p
}

// pay requests a payment in the background, and returns a channel that receives the answer.
func pay(t *testing.T, base, order, amount string) <-chan apptest.Answer {
	t.Helper()
	answers := make(chan apptest.Answer, 1)
	go func() { answers <- apptest.Pay(t.Context(), base, order, amount) }()
	return answers
}

// waitCalls waits until the gateway has received this many calls to charge the order.
func waitCalls(t *testing.T, gateway *apptest.Gateway, order string, calls int) {
	t.Helper()
	apptest.Eventually(t, 30*time.Second, func() error {
		if got := len(gateway.Calls(order)); got < calls {
			return fmt.Errorf("the gateway has %d calls for %q, not %d", got, order, calls)
		}
		return nil
	})
}

// requireChargedOnce checks that the order was charged once, and that the answer has the transaction of that charge.
func requireChargedOnce(t *testing.T, gateway *apptest.Gateway, order string, answer apptest.Answer) {
	t.Helper()
	require.Equal(t, http.StatusOK, answer.Code, "%s: %s", order, answer)
	require.Equal(t, []string{answer.Body.TransactionID}, gateway.Taken(order), order)
	require.Len(t, gateway.Keys(order), 1, "%s went to the gateway with several keys", order)
}

// times are durations of requests.
type times []time.Duration

// percentile returns the duration that p percent of the requests did not exceed.
func (t times) percentile(p int) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(time.Millisecond / 10)
}

func (t times) String() string {
	return fmt.Sprintf("%d answers: p50 %v, p95 %v, worst %v",
		len(t), t.percentile(50), t.percentile(95), t.percentile(100))
}
