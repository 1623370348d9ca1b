package app_test

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// auditReport is what a test reads of `paymentd audit --json`.
type auditReport struct {
	Agrees bool
	Audits []struct {
		Gateway                    string
		Agrees                     bool
		Charges, Payments, Lookups int
		WithoutSums                int `json:"charges_without_sums"`
		Differences                []auditDifference
		InFlight                   []auditDifference `json:"in_flight"`
	}
}

type auditDifference struct {
	Kind        string
	OrderID     string   `json:"order_id"`
	Others      []string `json:"other_order_ids"`
	Key         string   `json:"gateway_key"`
	Confirmed   bool
	Command     string
	Advice      string
	Here, There *struct {
		State, Amount, Currency       string
		TransactionID                 string `json:"transaction_id"`
		Captured, Refunded, Refunding string
	}
}

// kinds returns "order: kind" for each difference, sorted.
func (r auditReport) kinds() []string {
	kinds := []string{}
	for _, d := range r.Audits[0].Differences {
		kinds = append(kinds, strings.Join(append([]string{d.OrderID}, d.Others...), "+")+": "+d.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// auditShop is a folder with a service's database.
type auditShop struct {
	t         *testing.T
	folder    string
	variables env
}

func (s auditShop) run(args ...string) apptest.Output {
	s.t.Helper()
	return apptest.RunIn(s.t, s.folder, apptest.Build(s.t), s.variables, args...)
}

// audit waits until everything is older than PAYMENTD_LATE, and audits it.
func (s auditShop) audit(want int) (r auditReport) {
	s.t.Helper()
	time.Sleep(20 * time.Millisecond) // twice PAYMENTD_LATE; processes cannot run in virtual time
	out := s.run("audit", "--from=2026-01-01", "--json", "--lookups-per-second=1000")
	require.Equal(s.t, want, out.Code, out)
	require.NoError(s.t, json.Unmarshal([]byte(out.Stdout), &r), out)
	followCommand(s.t, "audit", out.Stdout)
	require.Equal(s.t, want == 0, r.Agrees)
	return r
}

// charge charges at the gateway without the service.
func (s auditShop) charge(key, order, amount string) {
	s.t.Helper()
	s.post("/charges", key, fmt.Sprintf(`{"order_id":%q,"amount":%q,"currency":"USD"}`, order, amount))
}

func (s auditShop) post(path, key, body string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.variables["PAYMENTD_GATEWAY"]+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Idempotency-Key", key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Less(s.t, response.StatusCode, http.StatusMultipleChoices)
}

// plantedDifferences are changes of the table, and what an audit finds then. Each order was paid with 10.00.
var plantedDifferences = []struct{ change, want string }{
	{"DELETE FROM payments WHERE order_id = 'unknown'", "unknown: unknown_here"},
	{
		"UPDATE payments SET order_id = 'absent', gateway_key = 'key-absent', transaction_id = 'txn-absent' WHERE order_id = 'present'",
		"absent: not_charged",
	},
	{"", "present: unknown_here"},
	{"UPDATE payments SET amount_minor = 1 WHERE order_id = 'amount'", "amount: other_amount"},
	{"UPDATE payments SET currency = 'EUR' WHERE order_id = 'currency'", "currency: other_currency"},
	{"UPDATE payments SET transaction_id = 'txn-other' WHERE order_id = 'transaction'", "transaction: other_transaction"},
	{"", "twice: charged_twice"},
	{
		"UPDATE payments SET transaction_id = (SELECT transaction_id FROM payments WHERE order_id = 'shared-1') WHERE order_id = 'shared-2'",
		"shared-1+shared-2: shared_transaction",
	},
	{"", "shared-2: other_transaction"},
	{
		"UPDATE payments SET order_id = 'owner', transaction_id = 'txn-owner' WHERE order_id = 'visitor'",
		"visitor+owner: other_order",
	},
	{"UPDATE payments SET state = 'failed', transaction_id = '' WHERE order_id = 'failed'", "failed: not_succeeded"},
	{"UPDATE payments SET state = 'declined', transaction_id = '' WHERE order_id = 'declined'", "declined: not_succeeded"},
	{
		"UPDATE payments SET state = 'failed', transaction_id = '', gateway_key = 'key-new' WHERE order_id = 'left'",
		"left: left_key",
	},
	{
		"UPDATE payments SET state = 'unresolved', transaction_id = '', due_at = 4000000000000000, doubt_answered = 1 WHERE order_id = 'unresolved'",
		"unresolved: unresolved_charged",
	},
	{
		"UPDATE payments SET state = 'unresolved', due_at = 4000000000000000, doubt_answered = 1 WHERE order_id = 'no'",
		"no: unresolved_declined",
	},
	{"UPDATE payments SET state = 'failed', due_at = NULL WHERE order_id = 'pending'", "pending: pending"},
	{
		"UPDATE payments SET state = 'succeeded', transaction_id = 'txn-voided', due_at = NULL WHERE order_id = 'voided'",
		"voided: voided",
	},
	{"UPDATE payments SET captured_minor = 400 WHERE order_id = 'captured'", "captured: other_capture"},
	{"UPDATE payments SET currency = 'ZZZ' WHERE order_id = 'damaged'", "damaged: unreadable"},
}

// TestAudit_PlantedDifferences_FoundAndMended pays through a gateway server, changes the table, and runs the
// commands of the report.
func TestAudit_PlantedDifferences_FoundAndMended(t *testing.T) {
	t.Parallel()

	sandbox := apptest.Start(t, apptest.Build(t), nil, "sandbox")
	sandbox.WaitReady(t)
	database := filepath.Join(t.TempDir(), "paymentd.db")
	s := auditShop{t: t, folder: t.TempDir(), variables: env{
		"PAYMENTD_GATEWAY": sandbox.URL, "PAYMENTD_DATABASE": "sqlite:" + database, "PAYMENTD_LATE": "10ms",
	}}
	p := serve(t, s.variables)
	for _, order := range []string{
		"fine", "unknown", "present", "amount", "currency", "transaction", "twice", "shared-1", "shared-2", "visitor",
		"failed", "declined", "left", "unresolved", "captured", "damaged",
	} {
		answer := apptest.Pay(t.Context(), p.URL, order, "10.00")
		require.Equal(t, http.StatusOK, answer.Code, answer)
	}
	require.Equal(t, http.StatusPaymentRequired, apptest.Pay(t.Context(), p.URL, "no", "9402.00").Code)
	for _, order := range []string{"pending", "voided"} {
		require.Equal(t, http.StatusAccepted, apptest.Pay(t.Context(), p.URL, order, "9201.00").Code)
	}
	require.Equal(t, []string{"pending", "voided"}, inFlightOrders(s.audit(0)), "pending charges are no difference")
	require.Zero(t, p.Stop(t))

	voided, err := storedKey(database, "voided")
	require.NoError(t, err)
	s.post("/charges/"+voided+"/voids", "void-1", "{}")
	s.charge("key-twice", "twice", "10.00")
	var want []string
	for _, planted := range plantedDifferences {
		if planted.change != "" {
			change(t, database, planted.change)
		}
		want = append(want, planted.want)
	}
	slices.Sort(want)
	report := s.audit(1)
	require.Equal(t, want, report.kinds())
	for _, d := range report.Audits[0].Differences {
		require.Equal(t, d.Kind != "unreadable", d.Confirmed, d)
	}
	s.requireFormats(report)

	var left []string
	for _, d := range report.Audits[0].Differences {
		if d.Command == "" {
			left = append(left, strings.Join(append([]string{d.OrderID}, d.Others...), "+")+": "+d.Kind)
			continue
		}
		out, err := s.shell(d.Command)
		require.NoError(t, err, "%s: %s", d.Command, out)
	}
	slices.Sort(left)
	p = serve(t, s.variables) // which makes the refund of the second charge
	refundIn(t, p.URL, "/payments/twice/refunds/second-charge-key-twice", "succeeded")
	require.Zero(t, p.Stop(t))
	require.Equal(t, left, s.audit(1).kinds(), "each command mends its difference")
}

// storedKey returns the gateway key of an order in a SQLite file.
func storedKey(file, order string) (key string, err error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRow("SELECT gateway_key FROM payments WHERE order_id = ?", order).Scan(&key)
	return key, err
}

func inFlightOrders(r auditReport) (orders []string) {
	for _, f := range r.Audits[0].InFlight {
		orders = append(orders, f.OrderID)
	}
	return orders
}

// requireFormats requires that the text and the CSV have the differences of the JSON.
func (s auditShop) requireFormats(r auditReport) {
	s.t.Helper()
	text := s.run("audit", "--from=2026-01-01", "--lookups-per-second=1000")
	require.Equal(s.t, 1, text.Code)
	table := s.run("audit", "--from=2026-01-01", "--csv", "--lookups-per-second=1000")
	require.Equal(s.t, 1, table.Code)
	records, err := csv.NewReader(strings.NewReader(table.Stdout)).ReadAll()
	require.NoError(s.t, err)
	require.Len(s.t, records, 1+len(r.Audits[0].Differences)+len(r.Audits[0].InFlight))
	for i, d := range r.Audits[0].Differences {
		require.Equal(s.t, []string{d.Kind, d.OrderID}, records[i+1][1:3])
		require.Contains(s.t, text.Stdout, d.OrderID)
		require.Contains(s.t, text.Stdout, d.Command)
	}
	const summary = "paymentd: 19 differences: mend each as the report says, and audit the period again\n"
	require.Equal(s.t, []string{summary, summary}, []string{text.Stderr, table.Stderr}, "no progress without a terminal")
}

// shell runs a command line with paymentd on its path.
func (s auditShop) shell(command string) (string, error) {
	bin := s.t.TempDir()
	if err := os.Symlink(apptest.Build(s.t), filepath.Join(bin, "paymentd")); err != nil {
		return "", err
	}
	c := exec.CommandContext(s.t.Context(), "sh", "-c", command)
	c.Dir, c.Env = s.folder, []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	for name, value := range s.variables {
		c.Env = append(c.Env, name+"="+value)
	}
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestAudit_SandboxInTheProcess_CreatesNothing audits a ledger while the service uses it, and one that does not
// exist.
func TestAudit_SandboxInTheProcess_CreatesNothing(t *testing.T) {
	t.Parallel()

	p := serve(t, env{"PAYMENTD_LATE": "10ms"})
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "10.00").Code)
	s := auditShop{t: t, folder: p.Folder, variables: env{"PAYMENTD_LATE": "10ms"}}
	r := s.audit(0)
	require.Equal(t, "sandbox:paymentd-sandbox.ledger", r.Audits[0].Gateway)
	require.Equal(t, []int{1, 1, 0}, []int{r.Audits[0].Charges, r.Audits[0].Payments, r.Audits[0].Lookups})
	require.Zero(t, p.Stop(t))

	before := snapshot(t, p.Folder)
	s.audit(0)
	require.Equal(t, before, snapshot(t, p.Folder))
	s.variables["PAYMENTD_GATEWAY"] = "sandbox:none.ledger"
	out := s.run("audit", "--from=2026-01-01")
	require.Equal(t, 2, out.Code, out)
	require.Contains(t, out.Stderr, "none.ledger: no such file or directory")
	require.Equal(t, before, snapshot(t, p.Folder))
}

// TestAudit_SeveralGateways_EachIsAudited finds an order that two gateways have charged.
func TestAudit_SeveralGateways_EachIsAudited(t *testing.T) {
	t.Parallel()

	first, second := apptest.Start(t, apptest.Build(t), nil, "sandbox"), apptest.Start(t, apptest.Build(t), nil, "sandbox")
	first.WaitReady(t)
	second.WaitReady(t)
	file := filepath.Join(t.TempDir(), "gateways.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "gateways:\n- {name: first, kind: http, url: %q}\n- {name: second, kind: http, url: %q}\n"+
		"routes:\n- {use: [first, second]}\n", first.URL, second.URL), 0o600))
	s := auditShop{t: t, folder: t.TempDir(), variables: env{
		"PAYMENTD_GATEWAYS_FILE": file, "PAYMENTD_DATABASE": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"), "PAYMENTD_LATE": "10ms",
	}}
	p := serve(t, s.variables)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "10.00").Code)
	r := s.audit(0)
	require.Len(t, r.Audits, 2)
	require.Equal(t, []int{1, 0}, []int{r.Audits[0].Charges, r.Audits[1].Charges})

	again := s
	again.variables = env{"PAYMENTD_GATEWAY": second.URL}
	again.charge("key-again", "order-1", "10.00")
	r = s.audit(1)
	require.True(t, r.Audits[0].Agrees)
	require.Equal(t, "charged_twice", r.Audits[1].Differences[0].Kind)
	require.Equal(t, "order-1", r.Audits[1].Differences[0].OrderID)

	// The command gives the second charge back, at its gateway, once; the payment keeps its own.
	for range 2 {
		out, err := s.shell(r.Audits[1].Differences[0].Command)
		require.NoError(t, err, out)
		refundIn(t, p.URL, "/payments/order-1/refunds/second-charge-key-again", "succeeded")
	}
	require.True(t, s.audit(0).Agrees)
	h := apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw
	require.Contains(t, h, `"refunded":"0.00","refundable":"10.00"`)
	require.Contains(t, h, `"second_charge":"txn-1"`)
	require.Contains(t, h, `"kind":"double_charge"`)
	out := s.run("refund", "order-1", "--refund-id=own", "--reason=x", "--by=ada")
	require.Zero(t, out.Code, out)
	refundIn(t, p.URL, "/payments/order-1/refunds/own", "succeeded")
	for args, want := range map[string]string{
		"--transaction=txn-9 --key=key-again --reason=x":                     "gateway second answers: approved txn-1)",
		"--transaction=txn-1 --key=key-other --reason=x":                     "has the gateway key key-again",
		"--transaction=txn-9 --reason=x":                                     "give its gateway key with --key",
		"--transaction=txn-9 --key=key-9 --reason=x":                         "--charged-at",
		"--transaction=txn-1 --key=key-again --amount=9 --reason=x":          "known with another amount",
		"--transaction=txn-9 --key=key-9 --charged-at=2026-01-01 --reason=x": "must be a time",
		"--transaction=txn-1 --refund-id=r-1 --reason=x":                     "has one refund",
		"--key=key-again --reason=x":                                         "needs --transaction",
		"--transaction= --reason=x":                                          "1 to 255",
	} {
		out := s.run(append([]string{"refund", "order-1"}, strings.Fields(args)...)...)
		require.NotZero(t, out.Code, "%s: %s", args, out)
		require.Contains(t, out.Stderr, want, args)
	}
}

func TestAudit_ExitCodes(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	gone := env{"PAYMENTD_GATEWAY": "http://" + apptest.FreeAddress(t), "PAYMENTD_GATEWAY_TIMEOUT": "1s"}
	run := func(args ...string) apptest.Output { return apptest.RunIn(t, folder, apptest.Build(t), gone, args...) }
	require.Zero(t, run("migrate", "up").Code)
	for args, want := range map[string]string{
		"audit":                  "--from: must be a date",
		"audit --from=yesterday": "--from: must be a date, such as 2026-11-27, or a time",
		"audit --from=2026-11-02 --to=2026-11-01":        "--from: must be before the end of the period",
		"audit --from=2999-01-01 --to=2999-01-02":        "--from: must be earlier: what is younger than PAYMENTD_LATE (1m0s)",
		"audit --from=2026-11-01 --json --csv":           "--json and --csv can't be used together",
		"audit --from=2026-11-01 --lookups-per-second=0": "--lookups-per-second: must be from 1 to 10000",
	} {
		out := run(strings.Fields(args)...)
		require.Equal(t, 2, out.Code, "%s: %s", args, out)
		require.Contains(t, out.Stderr, want)
		require.Equal(t, 1, strings.Count(out.Stderr, "\n"))
	}
	out := run("audit", "--from=2026-11-01", "--to=2026-11-02")
	require.Equal(t, 1, out.Code, out)
	require.Contains(t, out.Stderr, "paymentd: audit http://")
	require.Contains(t, out.Stderr, "connection refused")
}
