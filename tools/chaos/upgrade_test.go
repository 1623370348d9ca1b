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

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
	"paymentd/core/simulation/history"
)

// previousVariable has the binary of the version before this one.
const previousVariable = "PREVIOUS_PAYMENTD"

// TestRollingUpgrade runs the previous version beside this one, on one database and under load:
// up, and back again.
//
//	make test/upgrade
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	previous := os.Getenv(previousVariable)
	require.FileExists(t, previous, "%s names no binary: run `make test/upgrade`, which builds it", previousVariable)
	u := newUpgrade(t, previous)
	crowd := newCrowd(u.world, 1)
	crowd.start()
	u.phase(t, "the previous version alone", func() {})
	u.phase(t, "this version starts and migrates, and both serve", func() {
		u.start(t, next)
		u.askBoth(t)
		u.rescue(t, old, next)
		u.rescue(t, next, old)
	})
	u.phase(t, "this version goes on alone", func() { require.Zero(t, u.replicas[old].Stop(t)) })
	u.phase(t, "back: the previous version starts on this one's schema", func() {
		u.start(t, old)
		u.askBoth(t)
		u.rescue(t, next, old)
		require.Zero(t, u.replicas[next].Stop(t))
	})
	u.phase(t, "and up again", func() { u.start(t, next) })
	crowd.stop()

	t.Logf("%d requests for %d orders", len(crowd.history()), len(crowd.orders()))
	u.waitForCalm(t)
	audit(t, u.world, crowd) // what the previous version tells
	slices.Reverse(u.replicas)
	audit(t, u.world, crowd) // what this version tells
	require.NoError(t, history.Check(crowd.history(), searchLimit))
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
	orders    int // that were asked of both
}

func newUpgrade(t *testing.T, previous string) *upgrade {
	t.Helper()
	u := &upgrade{
		binaries: [2]string{previous, apptest.Build(t)},
		world:    &world{gateway: apptest.Start(t, apptest.Build(t), nil, "sandbox")},
	}
	u.gateway.WaitReady(t)
	u.variables = map[string]string{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": u.gateway.URL}
	maps.Copy(u.variables, settings)
	u.replicas = []*apptest.Process{nil, nil}
	u.start(t, old)
	// This one's address is known before it is there, so that clients try it.
	reserved := apptest.FreeAddress(t)
	u.doors = append(u.doors,
		proxy(t, "previous", address(u.replicas[old].URL)), proxy(t, "this", reserved))
	return u
}

// start runs a replica, again on its address where it ran before.
func (u *upgrade) start(t *testing.T, which int) {
	t.Helper()
	variables := maps.Clone(u.variables)
	if u.replicas[which] != nil {
		u.replicas[which] = u.replicas[which].Restart(t)
	} else {
		if which < len(u.doors) {
			variables["PAYMENTD_ADDR"] = u.doors[which].Upstream
		}
		u.replicas[which] = apptest.Start(t, u.binaries[which], variables, "serve")
	}
	u.replicas[which].WaitReady(t)
	t.Logf("%s says: %s", []string{"the previous version", "this version"}[which],
		strings.TrimSpace(apptest.Run(t, u.binaries[which], variables, "migrate", "status").Stdout))
}

// phase does something while clients pay, and lets them go on for a moment.
func (u *upgrade) phase(t *testing.T, name string, do func()) {
	t.Helper()
	t.Log(name)
	do()
	time.Sleep(time.Second) // of load
}

// askBoth asks both at once for the same orders, and then each for what the other has answered.
func (u *upgrade) askBoth(t *testing.T) {
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

// rescue kills a replica in the middle of a payment, which the other one ends by itself.
func (u *upgrade) rescue(t *testing.T, victim, witness int) {
	t.Helper()
	u.orders++
	order := fmt.Sprintf("rescue-%d", u.orders)
	go apptest.Pay(t.Context(), u.replicas[victim].URL, order, slowAmount) // its answer is lost
	apptest.WaitState(t, calmLimit, u.replicas[witness].URL, order, "processing")
	u.replicas[victim].Kill()
	apptest.WaitState(t, calmLimit, u.replicas[witness].URL, order, "succeeded")
	require.Len(t, ledger(t, u.world)[order], 1)
	u.start(t, victim)
}
