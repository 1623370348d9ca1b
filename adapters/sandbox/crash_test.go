package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
)

// If this variable is set, the test binary is a sandbox server on the ledger that it names.
const serveLedgerVariable = "SANDBOX_TEST_SERVE_LEDGER"

// seedVariable repeats a run of the crash test.
const seedVariable = "SANDBOX_TEST_SEED"

// serveUntilKilled runs in the second process. It prints its address in its first line.
func serveUntilKilled(path string) {
	g, err := sandbox.Open(path)
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
	fmt.Fprintln(os.Stderr, sandbox.NewServer(g).Serve(listener))
	os.Exit(1)
}

// startProcess starts a sandbox in a process of its own.
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

// A sandbox is killed repeatedly with charges in flight. Every answer that it gave stays true, and no
// key is charged twice.
func TestLedger_SurvivesKill(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	answered := surviveKills(t, path, transactionOf, func(base, name string, answered *answers) error {
		transaction, err := transactionOf(t.Context(), base, name)
		if err == nil {
			answered.add(name, transaction)
		}
		return err
	})

	base, _ := startProcess(t, path)
	_, body, err := get(t.Context(), base+"/ledger")
	require.NoError(t, err)
	charged := map[string]string{}
	for i, line := range parseLedger(t, []byte(body)) {
		require.NotContains(t, charged, line["key"], "charged twice")
		charged[line["key"]] = line["transaction_id"]
		require.Equal(t, fmt.Sprintf("txn-%d", i+1), line["transaction_id"])
	}
	for key, transaction := range answered {
		require.Equal(t, transaction, charged[key], key)
	}
	t.Logf("%d charges, %d of them answered", len(charged), len(answered))
}

// A sandbox is killed repeatedly with refunds in flight: four or more of each charge, which allows two. Every answer
// that it gave stays true, no key is refunded twice, and no charge is refunded beyond its amount.
func TestLedger_RefundsSurviveKill(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	again := func(ctx context.Context, base, name string) (string, error) {
		if _, err := answerToRefund(ctx, base, name+"-more"); err != nil { // may be refused, but never exceeds the charge
			return "", err
		}
		return answerToRefund(ctx, base, name)
	}
	answered := surviveKills(t, path, again, func(base, name string, answered *answers) error {
		if _, err := transactionOf(t.Context(), base, name); err != nil {
			return err
		}
		errs := make([]error, 4)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() {
				key := fmt.Sprintf("%s/refund-%d", name, i)
				answer, err := answerToRefund(t.Context(), base, key)
				if err == nil {
					answered.add(key, answer)
				}
				errs[i] = err
			})
		}
		all.Wait()
		return errors.Join(errs...)
	})

	base, _ := startProcess(t, path)
	_, body, err := get(t.Context(), base+"/ledger")
	require.NoError(t, err)
	refunds, given := 0, map[string]int{} // by charge
	seen := map[string]bool{}
	for _, line := range parseLedger(t, []byte(body)) {
		require.False(t, seen[line["key"]], "decided twice: %s", line["key"])
		seen[line["key"]] = true
		if line["charge_key"] != "" && line["status"] == "succeeded" {
			refunds++
			given[line["charge_key"]]++
			require.Equal(t, fmt.Sprintf("refund-%d", refunds), line["transaction_id"])
		}
	}
	for charge, n := range given {
		require.LessOrEqual(t, n, 2, "refunds of 40.00 of the 100.00 of %s", charge)
	}
	t.Logf("%d refunds, %d answers", refunds, len(answered))
}

// surviveKills lets clients work until the process is killed, in several rounds, and returns what they were answered.
// After each restart, again must return the same for every name.
func surviveKills(
	t *testing.T, path string, again func(ctx context.Context, base, name string) (string, error),
	work func(base, name string, answered *answers) error,
) map[string]string {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, seedVariable)
	}
	t.Logf("to repeat: %s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	const rounds, clients = 5, 8
	answered := answers{of: map[string]string{}}
	for round := range rounds {
		base, kill := startProcess(t, path)
		_, err := sandbox.Open(path)
		require.ErrorContains(t, err, "in use by another process")

		for name, first := range answered.of {
			answer, err := again(t.Context(), base, name)
			require.NoError(t, err)
			require.Equal(t, first, answer, name)
		}
		enough := answered.next(1 + random.IntN(100))
		var all sync.WaitGroup
		for number := range clients {
			all.Go(func() {
				for i := 0; ; i++ {
					if work(base, fmt.Sprintf("key-%d-%d-%d", round, number, i), &answered) != nil {
						return // killed
					}
				}
			})
		}
		<-enough
		kill()
		all.Wait()
	}
	require.GreaterOrEqual(t, len(answered.of), rounds)
	return answered.of
}

// answers are what clients were answered, by the name of the request.
type answers struct {
	mu     sync.Mutex
	of     map[string]string
	left   int
	enough chan struct{}
}

// next returns a channel that is closed after n more answers.
func (a *answers) next(n int) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left, a.enough = n, make(chan struct{})
	return a.enough
}

func (a *answers) add(name, answer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of[name] = answer
	a.left--
	if a.left == 0 {
		close(a.enough)
	}
}

// transactionOf charges the key and returns the transaction.
func transactionOf(ctx context.Context, base, key string) (string, error) {
	status, body, _, err := post(ctx, base, key, dollars("100.00"))
	if err != nil {
		return "", err
	}
	var answer struct {
		TransactionID string `json:"transaction_id"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		return "", fmt.Errorf("answer %d: %s", status, body)
	}
	return answer.TransactionID, nil
}

// answerToRefund refunds 40.00 of the charge whose key is before the slash of the name, with the whole name as its key, and
// returns the answer.
func answerToRefund(ctx context.Context, base, name string) (string, error) {
	charge, _, _ := strings.Cut(name, "/")
	body := strings.NewReader(`{"amount":"40.00","currency":"USD"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/charges/"+charge+"/refunds", body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Idempotency-Key", name)
	status, answer, _, err := do(req)
	if err == nil && status != http.StatusOK && status != http.StatusPaymentRequired {
		err = fmt.Errorf("answer %d: %s", status, answer)
	}
	return answer, err
}
