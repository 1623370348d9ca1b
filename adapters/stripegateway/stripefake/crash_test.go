package stripefake_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/stripegateway/stripefake"
)

// If this variable is set, the test binary is a fake on the ledger that it names.
const serveLedgerVariable = "STRIPEFAKE_TEST_SERVE_LEDGER"

// seedVariable repeats a run of the crash test.
const seedVariable = "STRIPEFAKE_TEST_SEED"

// serveUntilKilled runs in the second process. It prints its address in its first line.
func serveUntilKilled(path string) {
	f, err := stripefake.Open(path, stripefake.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("http://" + listener.Addr().String())
	server := &http.Server{Handler: f.Handler(), ReadHeaderTimeout: time.Second}
	fmt.Fprintln(os.Stderr, server.Serve(listener))
	os.Exit(1)
}

func startProcess(t *testing.T, path string) (base string, kill func()) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^$")
	command.Env = append(os.Environ(), serveLedgerVariable+"="+path)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	kill = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	t.Cleanup(kill)
	base, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the process has not started")
	return strings.TrimSpace(base), kill
}

// answered is what a fake has answered before it was killed: the ids by the keys.
type answered struct {
	mu               sync.Mutex
	intents, refunds map[string]string
	// holds are the PaymentIntents that held money, and ended their statuses after a capture or a void.
	holds, ended map[string]string
}

// pay charges, refunds, holds, captures and voids with keys of its own until the fake is killed.
func (d *answered) pay(a *api, prefix string) {
	for n := 0; ; n++ {
		key := fmt.Sprintf("%s-%d", prefix, n)
		r, err := a.try("POST", intents, key, charge("pm_card_visa", "metadata[paymentd_key]", key))
		if err != nil {
			return
		}
		intent := r.text("id")
		d.mu.Lock()
		d.intents[key] = intent
		d.mu.Unlock()
		if r, err = a.try("POST", refundsPath, "r-"+key, refundOf(intent, key)); err != nil {
			return
		}
		d.mu.Lock()
		d.refunds[key] = r.text("id")
		d.mu.Unlock()
		if r, err = a.try("POST", intents, "h-"+key, charge("pm_card_visa", "capture_method", "manual")); err != nil {
			return
		}
		hold := r.text("id")
		d.mu.Lock()
		d.holds[key] = hold
		d.mu.Unlock()
		if r, err = a.try("POST", endPath(hold, n), "e-"+key, endForm(key, n)); err != nil {
			return
		}
		d.mu.Lock()
		d.ended[key] = r.text("status")
		d.mu.Unlock()
	}
}

// endPath and endForm return the request that captures a part of a hold or, for an odd number, voids it.
func endPath(hold string, n int) string {
	return intents + "/" + hold + map[bool]string{true: "/capture", false: "/cancel"}[n%2 == 0]
}

func endForm(key string, n int) url.Values {
	if n%2 == 0 {
		return url.Values{"amount_to_capture": {"250"}, "metadata[paymentd_capture_key]": {"e-" + key}}
	}
	return nil
}

// requireEnds repeats every capture and every void. Each has its first answer, and happened at most once.
func (d *answered) requireEnds(t *testing.T, a *api) {
	t.Helper()
	require.NotEmpty(t, d.ended)
	for key, hold := range d.holds {
		n, err := strconv.Atoi(key[strings.LastIndex(key, "-")+1:])
		require.NoError(t, err)
		want := map[bool]string{true: "succeeded", false: "canceled"}[n%2 == 0]
		again := a.do("POST", endPath(hold, n), "e-"+key, endForm(key, n))
		require.Equal(t, want, again.text("status"), key)
		if d.ended[key] != "" {
			require.Equal(t, want, d.ended[key], key)
			require.Equal(t, "true", again.header.Get("Idempotent-Replayed"), key)
		}
	}
}

// refundOf returns the form of a refund of a part of a charge.
func refundOf(intent, key string) url.Values {
	return url.Values{"payment_intent": {intent}, "amount": {"250"}, "metadata[paymentd_key]": {"r-" + key}}
}

// requireReplays repeats every request. The answers are those from before, and a refund whose answer was lost is made
// at most once.
func (d *answered) requireReplays(t *testing.T, a *api) {
	t.Helper()
	require.NotEmpty(t, d.intents)
	require.NotEmpty(t, d.refunds)
	for key, id := range d.intents {
		again := a.do("POST", intents, key, charge("pm_card_visa", "metadata[paymentd_key]", key))
		require.Equal(t, id, again.text("id"), key)
		require.Equal(t, "true", again.header.Get("Idempotent-Replayed"), key)
		again = a.do("POST", refundsPath, "r-"+key, refundOf(id, key))
		require.Equal(t, "succeeded", again.text("status"), key)
		if refund := d.refunds[key]; refund != "" {
			require.Equal(t, refund, again.text("id"), key)
			require.Equal(t, "true", again.header.Get("Idempotent-Replayed"), key)
		}
	}
}

// The fake is killed repeatedly with charges, refunds, captures and voids in flight. Every answer that it gave stays true,
// and no key is charged, refunded, captured or voided twice.
func TestLedger_SurvivesKill(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, seedVariable)
	}
	t.Logf("to repeat: %s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	const rounds, clients = 4, 6
	path := filepath.Join(t.TempDir(), "ledger")
	answers := answered{
		intents: map[string]string{}, refunds: map[string]string{}, holds: map[string]string{}, ended: map[string]string{},
	}
	for round := range rounds {
		base, kill := startProcess(t, path)
		a := &api{t, base}
		time.AfterFunc(time.Duration(20+random.IntN(60))*time.Millisecond, kill)
		var all sync.WaitGroup
		for client := range clients {
			all.Go(func() { answers.pay(a, fmt.Sprintf("%d-%d", round, client)) })
		}
		all.Wait()
		kill()
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"intents":[{"id":"pi_torn"`) // an incomplete line was never answered
	require.NoError(t, err)
	require.NoError(t, file.Close())

	base, kill := startProcess(t, path)
	defer kill()
	answers.requireReplays(t, &api{t, base})
	answers.requireEnds(t, &api{t, base})
	kill()
	f, err := stripefake.Open(path, stripefake.Options{})
	require.NoError(t, err)
	for key, intent := range answers.intents {
		require.Equal(t, 1, f.Charges(key), key)
		require.Len(t, f.Refunds("r-"+key), 1, key)
		require.EqualValues(t, 250, f.Refunded(intent), key)
	}
	for key, hold := range answers.holds {
		captured := f.Received(hold)
		require.Equal(t, map[string]int64{"succeeded": 250, "canceled": 0}[f.Status(hold)], captured, key)
	}
	require.NoError(t, f.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for text := range strings.Lines(string(data)) {
		require.True(t, json.Valid([]byte(text)))
	}
}

func TestOpen_DamagedLedger_IsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	require.NoError(t, os.WriteFile(path, []byte("{}\nx\n{}\n"), 0o600))
	_, err := stripefake.Open(path, stripefake.Options{})
	require.ErrorContains(t, err, "byte 3")
}
