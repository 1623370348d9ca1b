//go:build upgrade

package chaos_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
	"paymentd/core/simulation/history"
)

// previousVariable names the path of the binary of the previous version.
const previousVariable = "PREVIOUS_PAYMENTD"

// TestRollingUpgrade_OrdersAreNotChargedTwice runs the previous version beside this one, on one database
// and under load: an upgrade, a rollback, and an upgrade again.
//
//	make test/upgrade
func TestRollingUpgrade_OrdersAreNotChargedTwice(t *testing.T) {
	t.Parallel()
	previous := os.Getenv(previousVariable)
	require.FileExists(t, previous, "%s is not the path of a binary: run `make test/upgrade`, which builds one", previousVariable)
	u := newUpgrade(t, previous)
	load := newWorkload(u.world, 1)
	load.start()
	u.phase(t, "the previous version alone", func() {})
	u.phase(t, "this version starts and migrates, and both serve", func() {
		u.start(t, next)
		u.payOnBoth(t)
		u.takeOver(t, old, next)
		u.takeOver(t, next, old)
	})
	u.phase(t, "this version alone", func() { require.Zero(t, u.replicas[old].Stop(t)) })
	u.phase(t, "rollback: the previous version starts on the schema of this one", func() {
		u.start(t, old)
		u.payOnBoth(t)
		u.takeOver(t, next, old)
		require.Zero(t, u.replicas[next].Stop(t))
	})
	u.phase(t, "upgrade again", func() { u.start(t, next) })
	load.stop()

	t.Logf("%d requests for %d orders", len(load.history()), len(load.orders()))
	u.waitUntilFinal(t)
	audit(t, u.world, load) // by the previous version
	slices.Reverse(u.replicas)
	audit(t, u.world, load) // by this version
	require.NoError(t, history.Check(load.history(), searchLimit))
	for _, r := range u.replicas {
		require.NotContains(t, r.Log(), `"level":"ERROR","msg":"request"`, "a request was answered 500")
	}
}

// The replicas of an upgrade.
const (
	old = iota
	next
)

// upgrade is a world of two replicas: the previous version and this one.
type upgrade struct {
	*world

	binaries  [2]string
	variables map[string]string
	toGateway *toxiproxy.Proxy // of both
	orders    int              // paid on both replicas
}

func newUpgrade(t *testing.T, previous string) *upgrade {
	t.Helper()
	u := &upgrade{
		binaries: [2]string{previous, apptest.Build(t)},
		world:    &world{gateways: []*apptest.Process{apptest.Start(t, apptest.Build(t), nil, "sandbox")}},
	}
	u.gateways[0].WaitReady(t)
	u.toGateway = proxy(t, "gateway", address(u.gateways[0].URL))
	u.variables = map[string]string{
		"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": "http://" + u.toGateway.Listen,
	}
	maps.Copy(u.variables, settings)
	u.replicas = []*apptest.Process{nil, nil}
	u.start(t, old)
	// The address of this version is known before it starts, so that clients try it.
	reserved := apptest.FreeAddress(t)
	u.frontends = append(u.frontends,
		proxy(t, "previous", address(u.replicas[old].URL)), proxy(t, "this", reserved))
	return u
}

// start runs a replica, on its former address if it ran before.
func (u *upgrade) start(t *testing.T, which int) {
	t.Helper()
	variables := maps.Clone(u.variables)
	if u.replicas[which] != nil {
		u.replicas[which] = u.replicas[which].Restart(t)
	} else {
		if which < len(u.frontends) {
			variables["PAYMENTD_ADDR"] = u.frontends[which].Upstream
		}
		u.replicas[which] = apptest.Start(t, u.binaries[which], variables, "serve")
	}
	u.replicas[which].WaitReady(t)
	t.Logf("%s, migrate status: %s", []string{"the previous version", "this version"}[which],
		strings.TrimSpace(apptest.Run(t, u.binaries[which], variables, "migrate", "status").Stdout))
}

// phase calls do while clients pay, and then waits for a second.
func (u *upgrade) phase(t *testing.T, name string, do func()) {
	t.Helper()
	t.Log(name)
	do()
	time.Sleep(time.Second) // of load
}

// payOnBoth pays the same orders on both at once, and then replays each on both.
func (u *upgrade) payOnBoth(t *testing.T) {
	t.Helper()
	for _, amount := range []string{plainAmount, plainAmount, plainAmount, "9503.00", "9504.00"} {
		u.orders++
		order := fmt.Sprintf("both-%d", u.orders)
		first := make(chan apptest.Answer, 1)
		go func() { first <- apptest.Pay(t.Context(), u.replicas[old].URL, order, amount) }()
		answers := []apptest.Answer{apptest.Pay(t.Context(), u.replicas[next].URL, order, amount), <-first}
		for _, r := range u.replicas {
			again := apptest.Pay(t.Context(), r.URL, order, amount)
			require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"), again)
			answers = append(answers, again)
		}
		for _, a := range answers {
			require.Equal(t, http.StatusOK, a.Code, a)
			require.Equal(t, answers[0].Raw, a.Raw, order)
		}
		other := apptest.Pay(t.Context(), u.replicas[u.orders%2].URL, order, "11.00")
		require.Equal(t, http.StatusUnprocessableEntity, other.Code, other)
	}
}

// takeOver kills a replica while it charges, and waits until the other one has settled the payment.
func (u *upgrade) takeOver(t *testing.T, victim, witness int) {
	t.Helper()
	u.orders++
	order := fmt.Sprintf("takeover-%d", u.orders)
	go apptest.Pay(t.Context(), u.replicas[victim].URL, order, slowAmount) // killed before it responds
	apptest.WaitState(t, finalLimit, u.replicas[witness].URL, order, "processing")
	u.replicas[victim].Kill()
	apptest.WaitState(t, finalLimit, u.replicas[witness].URL, order, "succeeded")
	require.Len(t, ledger(t, u.world)[order], 1)
	u.start(t, victim)
}
