//go:build upgrade

package chaos_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// TestUpgrade_PreviousVersionTakesOverHolds kills this version while it holds money, so that the previous one takes the
// payments over. It sends their keys without "capture": a gateway that has the hold refuses that, and one that has not
// takes the money. In both cases the order is charged or held once, and this version knows it when it is back.
//
//	make test/upgrade
func TestUpgrade_PreviousVersionTakesOverHolds(t *testing.T) {
	t.Parallel()
	previous := os.Getenv(previousVariable)
	require.FileExists(t, previous, "%s is not the path of a binary: run `make test/upgrade`, which builds one", previousVariable)
	u := newUpgrade(t, previous)
	u.start(t, next)
	const held, taken = "held-there", "taken-there"
	hold := func(order, amount string) string {
		return fmt.Sprintf(`{"order_id":%q,"amount":%s,"capture":"manual"}`, order, amount)
	}
	begin := func(body, order string) {
		go apptest.Post(t.Context(), u.replicas[next].URL, body) // killed before it responds
		apptest.WaitState(t, finalLimit, u.replicas[old].URL, order, "processing")
	}
	begin(hold(held, slowAmount), held)
	_, err := u.toGateway.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(toxics["black hole"], "upstream")))
	require.NoError(t, err)
	begin(hold(taken, plainAmount), taken)
	u.replicas[next].Kill()
	u.toGateway.Toxics.ResetToxics(t.Context())

	there := apptest.WaitState(t, finalLimit, u.replicas[old].URL, held, "unresolved")
	require.Equal(t, "rejected", there.Attempts[len(there.Attempts)-1].Class, there.Raw)
	apptest.WaitState(t, finalLimit, u.replicas[old].URL, taken, "succeeded")

	u.start(t, next)
	url := u.replicas[next].URL
	apptest.WaitState(t, finalLimit, url, held, "authorized")
	a := apptest.Ask(t.Context(), http.MethodPost, url+"/payments/"+held+"/capture", `{}`)
	require.Equal(t, http.StatusOK, a.Code, a)

	require.Equal(t, "succeeded", apptest.WaitState(t, finalLimit, url, taken, "succeeded").State)
	again := apptest.Post(t.Context(), url, hold(taken, plainAmount))
	require.Equal(t, "success", again.Body.Status, again)
	void := apptest.Ask(t.Context(), http.MethodPost, url+"/payments/"+taken+"/void", `{}`)
	require.Equal(t, http.StatusUnprocessableEntity, void.Code, void)
	back := apptest.Ask(t.Context(), http.MethodPost, url+"/payments/"+taken+"/refunds", `{"refund_id":"r-1"}`)
	require.Equal(t, http.StatusOK, back.Code, back)

	ledger := ledgerOfOperations(t, u.world)
	for _, order := range []string{held, taken} {
		require.Len(t, ledger[order].charged, 1, order)
	}
	require.Equal(t, minor(t, slowAmount), ledger[held].captured)
	require.Equal(t, minor(t, plainAmount), ledger[taken].refunded)
}
