package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// refundView is what a test reads of GET /payments/{order_id}/refunds/{refund_id}.
type refundView struct {
	State, Amount, Reason string
	TransactionID         string `json:"transaction_id"`
	Timeline              []struct{ Kind, Replica, Detail string }
}

// refundIn waits until the refund at the path has one of the states.
func refundIn(t *testing.T, base, path string, states ...string) (v refundView) {
	t.Helper()
	apptest.Eventually(t, 30*time.Second, func() error {
		a := apptest.Get(t.Context(), base, path)
		if a.Code != http.StatusOK {
			return fmt.Errorf("%s: %s", path, a)
		}
		v = refundView{}
		if err := json.Unmarshal([]byte(a.Raw), &v); err != nil {
			return err
		}
		if slices.Contains(states, v.State) {
			return nil
		}
		return fmt.Errorf("the refund is %s", v.State)
	})
	return v
}

// TestRefundCommand_RunningService_MakesIt stores refunds, which the service makes.
func TestRefundCommand_RunningService_MakesIt(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	run := func(args ...string) apptest.Output {
		return apptest.RunIn(t, p.Folder, apptest.Build(t), env{}, args...)
	}
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "100.00").Code)

	first := run("refund", "order-1", "--amount=25", "--reason=damaged in transit", "--by=ada")
	require.Zero(t, first.Code, first)
	require.Regexp(t, `^refund order-1-[0-9a-f]{12} of order-1: 25\.00 USD, scheduled: the running service makes it\n`+
		`to follow it: GET /payments/order-1/refunds/order-1-[0-9a-f]{12}\n$`, first.Stdout)
	_, path, _ := strings.Cut(strings.TrimSpace(first.Stdout), "GET ")
	made := refundIn(t, p.URL, path, "succeeded")
	require.Equal(t, "25.00", made.Amount)
	require.Equal(t, "damaged in transit", made.Reason)
	asked := 0
	for _, moment := range made.Timeline {
		if moment.Kind == "scheduled" {
			asked++
			require.Equal(t, "ada", moment.Replica)
			require.Equal(t, "requested by an operator: damaged in transit", moment.Detail)
		}
	}
	require.Equal(t, 1, asked, made.Timeline)

	// The same id, from several terminals at once, is one refund.
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			out := run("refund", "order-1", "--refund-id=r-1", "--amount=25.00", "--reason=again", "--json")
			if out.Code != 0 || !strings.Contains(out.Stdout, `"refund_id":"r-1","amount":"25.00","currency":"USD"`) {
				t.Error(out)
			}
		})
	}
	all.Wait()
	refundIn(t, p.URL, "/payments/order-1/refunds/r-1", "succeeded")
	replay := run("refund", "order-1", "--refund-id=r-1", "--reason=again")
	require.Contains(t, replay.Stdout, "25.00 USD, succeeded before, with the gateway's id refund-2")
	require.Zero(t, replay.Code)
	for want, args := range map[string][]string{
		"50.00 USD; refund at most that":  {"order-1", "--amount=50.01", "--reason=x"},
		"is known with another amount":    {"order-1", "--refund-id=r-1", "--amount=1", "--reason=x"},
		"no payment of the order order-2": {"order-2", "--reason=x"},
	} {
		out := run(append([]string{"refund"}, args...)...)
		require.Equal(t, 1, out.Code, out)
		require.Contains(t, out.Stderr, want)
		require.Empty(t, out.Stdout)
	}
	for _, args := range [][]string{
		{"order-1"}, {"order-1", "--reason="}, {"order-1", "--reason=x", "--amount=0"}, {"order-1", "--reason=x", "--refund-id=a b"},
	} {
		require.Equal(t, 2, run(append([]string{"refund"}, args...)...).Code, args)
	}
	elsewhere := apptest.RunIn(t, p.Folder, apptest.Build(t), env{"PAYMENTD_GATEWAY": "http://127.0.0.1:1"}, "refund", "order-1", "--reason=x")
	require.Equal(t, 1, elsewhere.Code, elsewhere)
	require.Contains(t, elsewhere.Stderr, "is not one of the settings")

	rest := run("refund", "order-1", "--refund-id=rest", "--reason=what is left")
	require.Contains(t, rest.Stdout, "50.00 USD")
	refundIn(t, p.URL, "/payments/order-1/refunds/rest", "succeeded")
	require.Contains(t, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw, `"refundable":"0.00"`)
	require.Zero(t, p.Stop(t))
}

// TestResolve_Refund_SettlesIt settles refunds that the sandbox never decides (an amount of 9201).
func TestResolve_Refund_SettlesIt(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	run := func(args ...string) apptest.Output {
		return apptest.RunIn(t, p.Folder, apptest.Build(t), env{}, args...)
	}
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "20000.00").Code)
	for _, id := range []string{"given", "kept"} {
		require.Zero(t, run("refund", "order-1", "--refund-id="+id, "--amount=9201", "--reason=x").Code)
		refundIn(t, p.URL, "/payments/order-1/refunds/"+id, "pending")
	}
	require.Contains(t, run("refund", "order-1", "--amount=9201", "--reason=x").Stderr, "1598.00 USD")

	require.Equal(t, apptest.Output{Stdout: "refund given of order-1 is succeeded\n"},
		run("resolve", "order-1", "--refund=given", "--succeeded=re-found", "--by=ada"))
	require.Equal(t, apptest.Output{Stdout: "refund kept of order-1 is failed\n"},
		run("resolve", "order-1", "--refund=kept", "--failed", "--reason=not in their console", "--by=ada"))
	require.Equal(t, "re-found", refundIn(t, p.URL, "/payments/order-1/refunds/given", "succeeded").TransactionID)
	require.Contains(t, run("refund", "order-1", "--amount=10800", "--reason=x").Stderr, "10799.00 USD", "the amount of the second is free")

	unknown := run("resolve", "order-1", "--refund=unknown", "--failed", "--reason=x")
	require.Equal(t, 1, unknown.Code)
	require.Contains(t, unknown.Stderr, "there is no refund unknown of order-1")
	again := run("resolve", "order-1", "--refund=given", "--failed", "--reason=x")
	require.Equal(t, 1, again.Code, again)
	require.Equal(t, http.StatusOK, apptest.Get(t.Context(), p.URL, "/payments/order-1").Code)
	require.Zero(t, p.Stop(t))
}

// TestStuck_Refunds_AreListed stores refunds while no service runs, and lists them in a table of their own.
func TestStuck_Refunds_AreListed(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{"mysql": mysqltest.Database(t), "sqlite": "sqlite:paymentd.db"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": "sandbox:"}
			p := serve(t, variables)
			run := func(args ...string) apptest.Output {
				return apptest.RunIn(t, p.Folder, apptest.Build(t), variables, args...)
			}
			require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "100.00").Code)
			const payments = "ORDER  STATE  GATEWAY  SINCE  ATTEMPTS  NEXT  WHY\n"
			require.Equal(t, apptest.Output{Stdout: payments}, run("stuck"))
			require.Zero(t, p.Stop(t))

			for _, id := range []string{"r-1", "r-2"} {
				require.Zero(t, run("refund", "order-1", "--refund-id="+id, "--amount=5", "--reason=x").Code)
			}
			require.Regexp(t, `^`+payments+`\nORDER +OPERATION +STATE +GATEWAY +SINCE +ATTEMPTS +NEXT +WHY\n`+
				`order-1 +refund r-1 +scheduled +sandbox:\S+ +\d+s +0 +now +accepted for later\n`+
				`order-1 +refund r-2 +scheduled +sandbox:\S+ +\d+s +0 +now +accepted for later\n$`, run("stuck").Stdout)
			require.NotContains(t, run("stuck", "--limit=1").Stdout, "r-2")

			p = p.Restart(t)
			p.WaitReady(t)
			refundIn(t, p.URL, "/payments/order-1/refunds/r-1", "succeeded")
			refundIn(t, p.URL, "/payments/order-1/refunds/r-2", "succeeded")
			require.Equal(t, apptest.Output{Stdout: payments}, run("stuck"))
			require.Zero(t, p.Stop(t))
		})
	}
}

// An empty value, such as that of an unset variable in a script, is refused: without the flag, the command would refund
// all that is left or once more, or settle the payment instead of the refund.
func TestRefundCommands_EmptyFlag_IsRefused(t *testing.T) {
	t.Parallel()
	for flag, args := range map[string][]string{
		"refund_id must not be empty": {"refund", "order-1", "--refund-id=", "--amount=1", "--reason=x"},
		"--amount: must not be empty": {"refund", "order-1", "--amount=", "--reason=x"},
		"refund_id must not be":       {"resolve", "order-1", "--refund=", "--failed", "--reason=x"},
	} {
		out := apptest.RunIn(t, t.TempDir(), apptest.Build(t), env{}, args...)
		require.Equal(t, 2, out.Code, "%v: %v", args, out)
		require.Contains(t, out.Stderr, flag)
	}
}
