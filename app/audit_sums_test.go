package app_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// sumShop is a shop whose gateway is a sandbox with a ledger that a test may change.
type sumShop struct {
	auditShop

	database, ledger string
	gateway, service *apptest.Process
}

func newSumShop(t *testing.T) *sumShop {
	t.Helper()
	s := &sumShop{database: filepath.Join(t.TempDir(), "paymentd.db"), ledger: filepath.Join(t.TempDir(), "gateway.ledger")}
	s.gateway = apptest.Start(t, apptest.Build(t), env{"PAYMENTD_SANDBOX_LEDGER": s.ledger}, "sandbox")
	s.gateway.WaitReady(t)
	s.auditShop = auditShop{t: t, folder: t.TempDir(), variables: env{
		"PAYMENTD_GATEWAY": s.gateway.URL, "PAYMENTD_DATABASE": "sqlite:" + s.database, "PAYMENTD_LATE": "10ms",
	}}
	s.service = serve(t, s.variables)
	return s
}

// do makes a request to the service, and requires the status.
func (s *sumShop) do(want int, path, body string) {
	s.t.Helper()
	a := apptest.Ask(s.t.Context(), http.MethodPost, s.service.URL+"/payments/"+path, body, "Content-Type", "application/json")
	require.Equal(s.t, want, a.Code, "%s %s: %s", path, body, a)
}

func (s *sumShop) pay(order, amount string) {
	s.t.Helper()
	s.do(http.StatusOK, "process", fmt.Sprintf(`{"order_id":%q,"amount":%s}`, order, amount))
}

// hold holds 10.00, and captures an amount of it unless it is empty.
func (s *sumShop) hold(order, capture string) {
	s.t.Helper()
	s.do(http.StatusOK, "process", fmt.Sprintf(`{"order_id":%q,"amount":10.00,"capture":"manual"}`, order))
	if capture != "" {
		s.do(http.StatusOK, order+"/capture", `{"amount":`+capture+`}`)
	}
}

func (s *sumShop) refund(want int, order, refund, amount string) {
	s.t.Helper()
	s.do(want, order+"/refunds", fmt.Sprintf(`{"refund_id":%q,"amount":%s}`, refund, amount))
}

func (s *sumShop) key(order string) string {
	s.t.Helper()
	key, err := storedKey(s.database, order)
	require.NoError(s.t, err)
	return key
}

// TestAudit_Sums_FoundFromOutside changes rows, ledger lines and charges at the gateway, and audits what was captured
// and refunded.
func TestAudit_Sums_FoundFromOutside(t *testing.T) {
	t.Parallel()
	s := newSumShop(t)
	for _, order := range []string{"refunded", "console", "lost", "forgotten", "raised"} {
		s.pay(order, "10.00")
	}
	for _, order := range []string{"refunded", "lost", "forgotten", "raised"} {
		s.refund(http.StatusOK, order, "r-1", "3.00")
	}
	s.refund(http.StatusOK, "refunded", "r-2", "1.50")
	s.pay("pending", "20000.00")
	s.refund(http.StatusAccepted, "pending", "r-1", "9201.00")
	s.hold("captured", "6.00")
	s.refund(http.StatusOK, "captured", "r-1", "1.00")
	s.hold("other", "6.00")
	s.hold("released", "")
	s.hold("voided", "")
	r := s.audit(0)
	require.ElementsMatch(t, []string{"pending"}, inFlightOrders(r))
	require.Zero(t, r.Audits[0].WithoutSums)
	require.Zero(t, r.Audits[0].Lookups, "nothing differs")

	require.Zero(t, s.service.Stop(t))
	s.post("/charges/"+s.key("console")+"/refunds", "refund-console", `{"amount":"2.00","currency":"USD"}`)
	s.post("/charges/"+s.key("released")+"/voids", "void-released", `{}`)
	for _, statement := range []string{
		"DELETE FROM operations WHERE order_id = 'lost'",
		"UPDATE operations SET amount_minor = 500 WHERE order_id = 'raised'",
		"UPDATE payments SET captured_minor = 400 WHERE order_id = 'other'",
		"UPDATE payments SET state = 'voided', due_at = NULL WHERE order_id = 'voided'",
	} {
		change(t, s.database, statement)
	}
	s.removeRefunds(s.key("forgotten"))

	r = s.audit(1)
	require.Equal(t, []string{
		"console: refunded_there", "forgotten: refunded_here", "lost: refunded_there", "other: other_capture",
		"raised: refunded_here", "voided: held",
	}, r.kinds())
	require.ElementsMatch(t, []string{"pending", "released"}, inFlightOrders(r))
	sums := map[string][]string{}
	for _, d := range r.Audits[0].Differences {
		require.True(t, d.Confirmed, d)
		require.NotEmpty(t, d.Advice)
		sums[d.OrderID] = []string{d.Here.Captured + d.Here.Refunded, d.There.Captured + d.There.Refunded}
	}
	require.Equal(t, map[string][]string{
		"console": {"0.00", "2.00"}, "lost": {"0.00", "3.00"}, "forgotten": {"3.00", "0.00"}, "raised": {"5.00", "3.00"},
		"other": {"4.00", "6.00"}, "voided": {"", ""},
	}, sums)
	s.requireSumFormats()
}

// removeRefunds removes the refunds of a charge from the ledger of the gateway, as a restore of an older copy may.
func (s *sumShop) removeRefunds(key string) {
	s.t.Helper()
	require.Zero(s.t, s.gateway.Stop(s.t))
	text, err := os.ReadFile(s.ledger)
	require.NoError(s.t, err)
	lines := strings.SplitAfter(string(text), "\n")
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(line, `"charge_key":"`+key+`"`) })
	require.Len(s.t, kept, len(lines)-1)
	require.NoError(s.t, os.WriteFile(s.ledger, []byte(strings.Join(kept, "")), 0o600))
	s.gateway = s.gateway.Restart(s.t)
	s.gateway.WaitReady(s.t)
	s.variables["PAYMENTD_GATEWAY"] = s.gateway.URL
}

// requireSumFormats requires that the text and the CSV have both sums.
func (s *sumShop) requireSumFormats() {
	s.t.Helper()
	text := s.run("audit", "--from=2026-01-01").Stdout
	for _, want := range []string{
		"refunded there, not here  console ", "succeeded 10.00 USD, refunded 0.00 ", "approved 10.00 USD, refunded 2.00",
		"paymentd show console has the refunds that the service knows",
		"other amount captured ", "succeeded 10.00 USD, captured 4.00 ", "approved 10.00 USD, captured 6.00",
		"refund the difference in the console of the gateway: 4.00 USD were to be captured",
		"20000.00 USD, refunded 0.00, refunding 9201.00",
	} {
		require.Contains(s.t, text, want)
	}
	table := s.run("audit", "--from=2026-01-01", "--csv").Stdout
	require.Contains(s.t, table, ",advice,command,here_captured,here_refunded,here_refunding,there_captured,there_refunded\n")
	require.Regexp(s.t, `(?m)^http.*,refunded_here,raised,.*,,,5\.00,,,3\.00$`, strings.ReplaceAll(table, `""`, ""))
	require.Regexp(s.t, `(?m)^http.*,in_flight,pending,.*,,0\.00,9201\.00,,9201\.00$`, table)
}

// TestAudit_ListWithoutSums_SaysSoOnce audits a gateway whose list leaves out what was captured and refunded.
func TestAudit_ListWithoutSums_SaysSoOnce(t *testing.T) {
	t.Parallel()
	s := newSumShop(t)
	for _, order := range []string{"order-1", "order-2"} {
		s.pay(order, "10.00")
		s.refund(http.StatusOK, order, "r-1", "3.00")
	}
	require.Zero(t, s.service.Stop(t))
	target, err := url.Parse(s.gateway.URL)
	require.NoError(t, err)
	members := regexp.MustCompile(`,"(captured|refunded)":"[0-9.]+"`)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		body = members.ReplaceAll(body, nil)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	change(t, s.database, fmt.Sprintf("UPDATE payments SET gateway = replace(gateway, '%s', '%s')", s.gateway.URL, server.URL))
	s.variables["PAYMENTD_GATEWAY"] = server.URL
	r := s.audit(0)
	require.Equal(t, 2, r.Audits[0].WithoutSums)
	out := s.run("audit", "--from=2026-01-01")
	require.Equal(t, 1, strings.Count(out.Stdout, "; captures or refunds of 2 charges not compared, because the list does not have them\n"), out.Stdout)
}
