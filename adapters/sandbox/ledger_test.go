package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
)

// readLedger returns the lines of a ledger, and requires each to be a complete JSON object.
func readLedger(t testing.TB, path string) (lines []map[string]string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return parseLedger(t, content)
}

func parseLedger(t testing.TB, content []byte) (lines []map[string]string) {
	t.Helper()
	for line := range bytes.Lines(content) {
		require.True(t, bytes.HasSuffix(line, []byte("\n")), "%s", line)
		var object map[string]string
		require.NoError(t, json.Unmarshal(line, &object), "%s", line)
		lines = append(lines, object)
	}
	return lines
}

func TestLedger_SurvivesRestart(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	first := open(t, path)
	approved := first.Charge(t.Context(), charge(t, "key-1", "100"))
	require.Equal(t, payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1", Answered: true}, approved)
	declined := first.Charge(t.Context(), charge(t, "key-2", "9402"))
	require.Equal(t, payment.ClassDeclined, declined.Class)
	lost := first.Charge(t.Context(), charge(t, "key-3", "9504"))
	require.Equal(t, payment.ClassUnknownUnanswered, lost.Class)
	require.NoError(t, first.Close())

	second := open(t, path)
	require.Equal(t, approved, second.Charge(t.Context(), charge(t, "key-1", "100")))
	require.Equal(t, declined, second.Charge(t.Context(), charge(t, "key-2", "9402")))
	require.Equal(t, "txn-2", second.Charge(t.Context(), charge(t, "key-3", "9504")).TransactionID)
	require.Equal(t, payment.FoundDeclined, second.LookUp(t.Context(), payment.ChargeRef{Key: "key-2"}).Result)
	require.Equal(t, "txn-3", second.Charge(t.Context(), charge(t, "key-4", "100")).TransactionID)

	lines := readLedger(t, path)
	require.Len(t, lines, 4)
	require.NotEmpty(t, lines[0]["at"])
	delete(lines[0], "at")
	require.Equal(t, map[string]string{
		"key": "key-1", "order_id": "order-key-1", "amount": "100.00", "currency": "USD",
		"status": "succeeded", "transaction_id": "txn-1",
	}, lines[0])
	require.Equal(t, "card_declined", lines[1]["code"])
}

func TestCharge_KeyReusedForAnotherChargeIsRefused(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	c := charge(t, "key-1", "100")
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), c).Class)

	order, amount, currency := c, c, c
	order.OrderID = "order-2"
	amount.Money = money(t, "100.01", "USD")
	currency.Money = money(t, "100", "EUR")
	for _, other := range []payment.Charge{order, amount, currency} {
		r := g.Charge(t.Context(), other)
		require.Equal(t, payment.ClassKeyReused, r.Class)
		require.Empty(t, r.Code)
		require.True(t, r.Answered)
		require.Contains(t, r.Message, "another order, amount, currency, payment method, capture or void")
	}
	require.Len(t, readLedger(t, path), 1)
}

func TestCharge_ConcurrentChargesOfOneKeyChargeOnce(t *testing.T) {
	t.Parallel()
	const orders, callers = 200, 4
	path := ledgerPath(t)
	g := open(t, path)
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[payment.GatewayKey]map[string]bool{}
	for order := range orders {
		c := charge(t, fmt.Sprintf("key-%d", order), "100")
		for range callers {
			all.Go(func() {
				r := g.Charge(t.Context(), c)
				mu.Lock()
				defer mu.Unlock()
				if got[c.Key] == nil {
					got[c.Key] = map[string]bool{}
				}
				got[c.Key][string(r.Class)+" "+r.TransactionID] = true
			})
		}
	}
	all.Wait()

	lines := readLedger(t, path)
	require.Len(t, lines, orders)
	for i, line := range lines {
		require.Equal(t, fmt.Sprintf("txn-%d", i+1), line["transaction_id"])
		require.Equal(t, map[string]bool{"approved " + line["transaction_id"]: true}, got[payment.GatewayKey(line["key"])])
	}
}

// A crash may leave any part of the last line.
func TestOpen_RemovesAnIncompleteLastLine(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	for _, key := range []string{"key-1", "key-2"} {
		require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), charge(t, key, "100")).Class)
	}
	require.NoError(t, g.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	kept := bytes.IndexByte(whole, '\n') + 1

	for end := kept; end < len(whole)-1; end += 5 { // each costs a few syncs
		require.NoError(t, os.WriteFile(path, whole[:end], 0o600))
		var log bytes.Buffer
		g := open(t, path, sandbox.WithLog(slog.New(slog.NewTextHandler(&log, nil))))
		require.Equal(t, end > kept, strings.Contains(log.String(), "cut off the last line"), log.String())
		require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
		require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-2"}).Result)
		require.Equal(t, "txn-2", g.Charge(t.Context(), charge(t, "key-3", "100")).TransactionID)
		require.NoError(t, g.Close())
		require.Len(t, readLedger(t, path), 2)
	}
}

func TestOpen_RefusesADamagedLedger(t *testing.T) {
	t.Parallel()
	line := func(pairs ...string) string {
		object := map[string]string{
			"key": "key-2", "order_id": "order-2", "amount": "5.00", "currency": "USD",
			"status": "succeeded", "transaction_id": "txn-2",
		}
		for i := 0; i < len(pairs); i += 2 {
			object[pairs[i]] = pairs[i+1]
		}
		text, err := json.Marshal(object)
		require.NoError(t, err)
		return string(text)
	}
	first := line("key", "key-1", "transaction_id", "txn-1")
	tests := map[string]struct{ line, want string }{
		"not JSON":            {"\x00\x00\x00", "not a JSON object"},
		"cut line":            {first[:40], "not a JSON object"},
		"empty line":          {"", "not a JSON object"},
		"two in one line":     {first + line(), "not a JSON object"},
		"no key":              {line("key", ""), "key must not be empty"},
		"no order":            {line("order_id", ""), "order_id must not be empty"},
		"no amount":           {line("amount", ""), "amount must be"},
		"short amount":        {line("amount", "5"), "all the currency's decimals: 5.00"},
		"no currency":         {line("currency", ""), "currency must be"},
		"unknown status":      {line("status", "processing"), "status must be"},
		"voided, no key":      {line("status", "voided"), "key must not be empty"},
		"card number":         {line("payment_method", "4242424242424242"), "not a card number"},
		"nothing to decide":   {line("pending_since", "2026-03-01T00:00:00Z"), "not pending"},
		"declined, no code":   {line("status", "declined"), "must have a code"},
		"transaction again":   {line("transaction_id", "txn-1"), "txn-1 does not follow txn-1"},
		"no transaction":      {line("transaction_id", ""), "transaction_id must be txn-"},
		"foreign transaction": {line("transaction_id", "ch_2"), "transaction_id must be txn-"},
		"odd transaction":     {line("transaction_id", "txn-02"), "transaction_id must be txn-"},
		"huge transaction":    {line("transaction_id", "txn-99999999999999999999"), "transaction_id must be txn-"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ledgerPath(t)
			content := []byte(first + "\n" + tt.line + "\n" + line("key", "key-3", "transaction_id", "txn-3") + "\n")
			require.NoError(t, os.WriteFile(path, content, 0o600))
			_, err := sandbox.Open(path)
			require.ErrorContains(t, err, "is damaged at line 2")
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "move it away")
			require.NotContains(t, err.Error(), "\n")

			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, content, after, "a damaged ledger is left as it is")
		})
	}
}

func TestOpen_LeavesAForeignFileUnchanged(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"a line of text":         "something else, on one line",
		"lines of text":          "something\nelse\n",
		"JSON on one line":       `{"key":1}`,
		"JSON that is cut off":   `{"name":"x","val`,
		"JSON lines":             `{"order_id":"order-1","amount":"1.00"}` + "\n",
		"a JSON document":        "{\n\"key\": \"x\"\n}\n",
		"zeros":                  "\x00\x00\x00\x00",
		"a brace":                "{",
		"a database":             "SQLite format 3\x00\x10\x00\x01\x01",
		"a ledger, then another": `{"key":"k","order_id":"o","amount":"1.00","currency":"USD","status":"declined","code":"c"}` + "\nrest",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := ledgerPath(t)
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			_, err := sandbox.Open(path)
			require.ErrorContains(t, err, path+" is not a sandbox ledger")

			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, content, string(after))
		})
	}
}

// The paths are a folder, a device, a pipe, and a part of a database.
func TestOpen_RefusesWhatCannotBeALedger(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{folder, "/dev/null", pipe, filepath.Join(folder, "paymentd.db-wal")} {
		_, err := sandbox.Open(path)
		require.ErrorContains(t, err, "not a sandbox ledger", path)
	}
	require.NoFileExists(t, filepath.Join(folder, "paymentd.db-wal"))
}

// Some editors remove the last line feed.
func TestOpen_AddsAMissingLineFeed(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	require.Equal(t, payment.ClassApproved, g.Charge(t.Context(), charge(t, "key-1", "100")).Class)
	require.NoError(t, g.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.TrimSuffix(whole, []byte("\n")), 0o600))

	g = open(t, path)
	require.Equal(t, payment.FoundApproved, g.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
	require.Equal(t, "txn-2", g.Charge(t.Context(), charge(t, "key-2", "100")).TransactionID)
	require.Len(t, readLedger(t, path), 2)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestOpen_RefusesInvalidOptions(t *testing.T) {
	t.Parallel()
	_, err := sandbox.Open("")
	require.ErrorContains(t, err, "must have a path")

	_, err = sandbox.Open(ledgerPath(t), sandbox.WithLatency(-1))
	require.ErrorContains(t, err, "must not be below zero")

	_, err = sandbox.Open(ledgerPath(t), sandbox.WithForgetAfter(-1))
	require.ErrorContains(t, err, "must not be below zero")

	_, err = sandbox.Open(filepath.Join(t.TempDir(), "missing", "ledger.jsonl"))
	require.ErrorIs(t, err, os.ErrNotExist)

	path := ledgerPath(t)
	g := open(t, path)
	_, err = sandbox.Open(path)
	require.ErrorContains(t, err, "is in use by another process")
	require.NoError(t, g.Close())
	open(t, path)
}

// A key is new again after forgetAfter, also if the sandbox was restarted since, and the ledger keeps
// both charges.
func TestCharge_ForgottenKeyIsChargedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const age = time.Hour
		path := ledgerPath(t)
		c := charge(t, "key-1", "100")
		approved := func(transaction string) payment.Result {
			return payment.Result{Class: payment.ClassApproved, TransactionID: transaction, Answered: true}
		}
		g, err := sandbox.Open(path, sandbox.WithForgetAfter(age))
		require.NoError(t, err)
		require.Equal(t, age, g.Capabilities().KeyLifetime)
		require.Equal(t, approved("txn-1"), g.Charge(t.Context(), c))
		time.Sleep(age) // virtual, as all of them
		require.Equal(t, approved("txn-1"), g.Charge(t.Context(), c), "not older than that")
		time.Sleep(time.Nanosecond)
		require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		require.NoError(t, g.Close())

		g, err = sandbox.Open(path, sandbox.WithForgetAfter(age))
		require.NoError(t, err)
		require.Equal(t, payment.FoundNothing, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}).Result)
		other := c
		other.OrderID = "order-2"
		require.Equal(t, approved("txn-2"), g.Charge(t.Context(), other), "nothing is known of its first use")
		require.Equal(t, payment.ClassKeyReused, g.Charge(t.Context(), c).Class)
		time.Sleep(age)
		require.Equal(t, approved("txn-2"), g.Charge(t.Context(), other), "it counts from the first use since then")
		require.NoError(t, g.Close())

		g, err = sandbox.Open(path) // which forgets nothing
		require.NoError(t, err)
		require.Zero(t, g.Capabilities().KeyLifetime)
		require.Equal(t, payment.Lookup{Result: payment.FoundApproved, TransactionID: "txn-2"}, g.LookUp(t.Context(), payment.ChargeRef{Key: c.Key}))
		require.NoError(t, g.Close())
		lines := readLedger(t, path)
		require.Len(t, lines, 2)
		require.Equal(t, lines[0]["key"], lines[1]["key"])
		require.NotEqual(t, lines[0]["transaction_id"], lines[1]["transaction_id"])
	})
}

func TestCapabilities_GatewayIsTheLedgerPath(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path, sandbox.WithKeyLifetime(time.Hour))
	require.Equal(t, payment.GatewayID("sandbox:"+path), g.Capabilities().Gateway)
	require.Equal(t, time.Hour, g.Capabilities().KeyLifetime)
	folder := t.TempDir()
	odd, long := open(t, filepath.Join(folder, "lédger")), open(t, filepath.Join(folder, strings.Repeat("x", 250)))
	for _, g := range []*sandbox.Gateway{odd, long} {
		require.Regexp(t, "^sandbox:#[0-9a-f]{64}$", g.Capabilities().Gateway)
	}
	require.NotEqual(t, odd.Capabilities().Gateway, long.Capabilities().Gateway)
}
