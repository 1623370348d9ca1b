package app_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// ordersOf returns the first words of the lines after the first.
func ordersOf(table string) (orders []string) {
	for line := range strings.Lines(table) {
		orders = append(orders, strings.Fields(line)[0])
	}
	return orders[1:]
}

func TestList_Filters(t *testing.T) {
	t.Parallel()

	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := apptest.StartGateway(t)
			gateway.Do(func(c apptest.Call) apptest.Reply {
				if strings.HasPrefix(c.OrderID, "declined") {
					return apptest.Reply{Status: http.StatusPaymentRequired, Body: `{"status":"declined","code":"card_declined"}`}
				}
				return apptest.Reply{}
			})
			variables := env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL}
			run := func(args ...string) apptest.Output { return apptest.Run(t, apptest.Build(t), variables, args...) }
			require.Equal(t, 1, run("list").Code, "no database")
			p := serve(t, variables)
			require.Equal(t, apptest.Output{Stdout: "ORDER  STATE  AMOUNT  GATEWAY  CREATED  TRANSACTION  WHY\n"}, run("list"))
			require.Equal(t, apptest.Output{}, run("list", "--json"), "no line")
			var transaction string
			for _, order := range []string{"declined-1", "order-1", "order-2"} {
				transaction = apptest.Pay(t.Context(), p.URL, order, "5.00").Body.TransactionID
			}
			for args, want := range map[string][]string{
				"":                                      {"order-2", "order-1", "declined-1"},
				"--state=declined":                      {"declined-1"},
				"--state=declined,succeeded":            {"order-2", "order-1", "declined-1"},
				"--state=succeeded --state=failed":      {"order-2", "order-1"},
				"--limit=1":                             {"order-2"},
				"--limit=1 --all":                       {"order-2", "order-1", "declined-1"},
				"--q=order-":                            {"order-2", "order-1"},
				"--q=" + transaction:                    {"order-2"},
				"--q=rder":                              {},
				"--gateway=" + gateway.URL:              {"order-2", "order-1", "declined-1"},
				"--gateway=other":                       {},
				"--from=2020-01-01":                     {"order-2", "order-1", "declined-1"},
				"--before=2020-01-01T00:00:00Z":         {},
				"--from=2020-01-01 --before=2021-01-01": {},
			} {
				out := run(append([]string{"list"}, strings.Fields(args)...)...)
				require.Zero(t, out.Code, out)
				require.Empty(t, out.Stderr)
				require.ElementsMatch(t, want, ordersOf(out.Stdout), args)
			}
			require.Regexp(t, `(?m)^declined-1 +declined +5\.00 USD +http\S+ +20\S+Z +- +card_declined$`, run("list").Stdout)
			for line := range strings.Lines(run("list", "--json").Stdout) {
				followCommand(t, "list", line)
			}
			for _, wrong := range []string{"--state=paid", "--from=yesterday", "--before=x", "--limit=0"} {
				out := run("list", wrong)
				require.Equal(t, 2, out.Code, out)
				require.Equal(t, 1, strings.Count(out.Stderr, "\n"))
			}
		})
	}
}

// TestShow_Output shows a payment that was retried, refunded and is final, and one whose outcome is open.
func TestShow_Output(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		switch {
		case c.LookUp:
			return apptest.Reply{Lost: true}
		case c.OrderID == "open-1", c.Number == 1 && c.OrderID == "order-1":
			return apptest.Reply{Status: http.StatusInternalServerError}
		}
		return apptest.Reply{}
	})
	variables := env{"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_RETRY_DELAY": "200ms", "PAYMENTD_RECONCILE": "15m"}
	p := serve(t, variables)
	run := func(args ...string) apptest.Output {
		return apptest.RunIn(t, p.Folder, apptest.Build(t), env{"PAYMENTD_GATEWAY": gateway.URL}, args...)
	}
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
	require.Equal(t, http.StatusAccepted, apptest.Pay(t.Context(), p.URL, "open-1", "6.00").Code)
	require.Zero(t, run("refund", "order-1", "--amount=2", "--reason=damaged", "--refund-id=r-1", "--by=ada").Code)

	shown := run("show", "order-1")
	require.Zero(t, shown.Code, shown)
	for _, want := range []string{
		`(?m)^state +succeeded$`, `(?m)^amount +5\.00 USD$`, `(?m)^transaction +txn-\S+$`,
		`(?m)^20\S+Z  created `, `(?m)^20\S+Z  attempt 1 .*unknown_answered`, `(?m)^20\S+Z  attempt 2 .*approved$`,
		`(?m)^charge, attempt 1 +[=>]+ .*\+0s unknown_answered$`, `(?m)^charge, attempt 2 +\.+=+ .*approved$`,
		`(?m)^refund r-1 +scheduled|succeeded|processing`, `(?m)^20\S+Z  refund r-1: .* ada `, `(?m)^WHY IT CANNOT BE CHARGED TWICE NOW$`,
		`(?m)^why  +The charge is recorded with its transaction\.`,
	} {
		require.Regexp(t, want, shown.Stdout)
	}
	waterfall := shown.Stdout[strings.Index(shown.Stdout, "WATERFALL"):strings.Index(shown.Stdout, "OPERATIONS")]
	for line := range strings.Lines(waterfall) {
		require.LessOrEqual(t, len([]rune(line)), 81, line)
	}
	open := run("show", "open-1")
	require.Zero(t, open.Code, open)
	require.Regexp(t, `(?m)^waits +.*next in 1\dm`, open.Stdout)
	require.Regexp(t, `(?m)^in doubt `, open.Stdout)

	require.Equal(t, apptest.Output{Code: 1, Stderr: "paymentd: there is no payment of the order order-9; order ids are case-sensitive\n"}, run("show", "order-9"))
	require.Equal(t, 2, run("show", "two words").Code)
	empty := t.TempDir()
	none := apptest.RunIn(t, empty, apptest.Build(t), env{"PAYMENTD_GATEWAY": gateway.URL}, "show", "order-1")
	require.Equal(t, 1, none.Code, none)
	entries, err := os.ReadDir(empty)
	require.NoError(t, err)
	require.Empty(t, entries, "a command that only looks creates nothing")
}

// A command that asks no gateway needs no ledger of the sandbox, which is the gateway if the settings name none. The
// payment is at another one, which alone can give its money back.
func TestShow_WithoutTheLedger_IsShown(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	p := serve(t, env{"PAYMENTD_GATEWAY": gateway.URL})
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
	run := func(args ...string) apptest.Output { return apptest.RunIn(t, p.Folder, apptest.Build(t), nil, args...) }

	shown := run("show", "order-1")
	require.Zero(t, shown.Code, shown)
	require.Regexp(t, `(?m)^state +succeeded$`, shown.Stdout)
	require.Equal(t, 1, run("show", "order-9").Code)
	refused := run("refund", "order-1", "--reason=damaged")
	require.Equal(t, 1, refused.Code, refused)
	require.Contains(t, refused.Stderr, "the gateway of the payment is not one of the settings")
	require.NoFileExists(t, filepath.Join(p.Folder, "paymentd-sandbox.ledger"), "a command that only looks creates nothing")
}

// An import of many charges prints the first of each result and the counts.
func TestImport_ManyCharges_AreSummarised(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	run := func(args ...string) apptest.Output { return apptest.RunIn(t, folder, apptest.Build(t), nil, args...) }
	require.Zero(t, run("migrate", "up").Code)
	var list, other strings.Builder
	for i := range 300 {
		fmt.Fprintf(&list, `{"key":"k-%d","order_id":"o-%d","amount":"1.00","currency":"USD","status":"succeeded","transaction_id":"t-%d"}`+"\n", i, i, i)
		fmt.Fprintf(&other, `{"key":"l-%d","order_id":"o-%d","amount":"2.00","currency":"USD","status":"succeeded","transaction_id":"u-%d"}`+"\n", i, i, i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "list"), []byte(list.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "other"), []byte(other.String()), 0o600))
	require.Equal(t, 300, strings.Count(run("import", "--dry-run", "--verbose", "list").Stdout, "missing\t"))
	added := run("import", "--by=ada", "list")
	require.Zero(t, added.Code, added)
	require.Empty(t, added.Stderr, "no progress unless it is a terminal")
	require.Equal(t, 20, strings.Count(added.Stdout, "added\t"))
	require.True(t, strings.HasSuffix(added.Stdout, "and 280 more; --verbose prints a line for each\n"+
		"300 added, 0 known, 0 refused, 0 lines of charges that took no money\n"), added.Stdout)
	require.Equal(t, "0 added, 300 known, 0 refused, 0 lines of charges that took no money\n", run("import", "--quiet", "list").Stdout)
	refused := run("import", "other")
	require.Equal(t, 1, refused.Code)
	require.Equal(t, 20, strings.Count(refused.Stdout, "refused\t"))
	require.Contains(t, refused.Stderr, "300 lines conflict with what is stored")
}

func TestVersion_Flag(t *testing.T) {
	t.Parallel()
	command, flag := apptest.Run(t, apptest.Build(t), nil, "version"), apptest.Run(t, apptest.Build(t), nil, "--version")
	require.Zero(t, flag.Code)
	require.Equal(t, command, flag)
	require.Regexp(t, `^paymentd \S+\n$`, flag.Stdout)
}
