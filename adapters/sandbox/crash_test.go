package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
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
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, seedVariable)
	}
	t.Logf("to repeat: %s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	const rounds, clients = 5, 8
	path := ledgerPath(t)
	answered := answers{of: map[string]string{}}
	for round := range rounds {
		base, kill := startProcess(t, path)
		_, err := sandbox.Open(path)
		require.ErrorContains(t, err, "in use by another process")

		for key, transaction := range answered.of {
			again, err := transactionOf(t.Context(), base, key)
			require.NoError(t, err)
			require.Equal(t, transaction, again, key)
		}
		enough := answered.next(1 + random.IntN(100))
		var all sync.WaitGroup
		for number := range clients {
			all.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprintf("key-%d-%d-%d", round, number, i)
					transaction, err := transactionOf(t.Context(), base, key)
					if err != nil {
						return // killed
					}
					answered.add(key, transaction)
				}
			})
		}
		<-enough
		kill()
		all.Wait()
	}

	base, _ := startProcess(t, path)
	_, body, err := get(t.Context(), base+"/ledger")
	require.NoError(t, err)
	charged := map[string]string{}
	for i, line := range parseLedger(t, []byte(body)) {
		require.NotContains(t, charged, line["key"], "charged twice")
		charged[line["key"]] = line["transaction_id"]
		require.Equal(t, fmt.Sprintf("txn-%d", i+1), line["transaction_id"])
	}
	for key, transaction := range answered.of {
		require.Equal(t, transaction, charged[key], key)
	}
	t.Logf("%d charges, %d of them answered", len(charged), len(answered.of))
	require.GreaterOrEqual(t, len(answered.of), rounds)
}

// answers are the transactions that clients received, by key.
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

func (a *answers) add(key, transaction string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of[key] = transaction
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
