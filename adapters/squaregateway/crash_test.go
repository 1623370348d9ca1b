package squaregateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/squaregateway"
	"paymentd/adapters/squaregateway/squarefake"
	"paymentd/core/payment"
)

// If this variable is set, the test binary is a fake on the ledger that it names.
const serveLedgerVariable = "SQUARE_TEST_SERVE_LEDGER"

// seedVariable repeats a run of the crash test.
const seedVariable = "SQUARE_TEST_SEED"

// serveUntilKilled runs in the second process. It prints its address in its first line.
func serveUntilKilled(path string) error {
	fake, err := squarefake.Open(squarefake.Options{Ledger: path})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	return (&http.Server{Handler: fake, ReadHeaderTimeout: time.Minute}).Serve(listener)
}

// startProcess starts a fake in a process of its own.
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

// The fake is killed repeatedly with charges, their refunds, captures and voids in flight, and each is repeated with its
// key until it is approved. What was approved stays so, with the same transaction, and no key has two payments or two
// refunds, or captures another amount.
func TestCharge_SquareIsKilled_EverythingHappensOnce(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, seedVariable)
	}
	t.Logf("to repeat: %s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "ledger.jsonl")

	const rounds, clients, charges = 3, 4, 6
	approved := map[payment.GatewayKey]string{}
	open := map[payment.GatewayKey]bool{}
	var mu sync.Mutex
	for round := range rounds {
		base, kill := startProcess(t, path)
		g := gatewayAt(t, base)
		var all sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		for key := range open {
			all.Go(func() { settle(ctx, t, g, key, &mu, approved) })
		}
		for number := range clients {
			for i := range charges {
				key := payment.GatewayKey(fmt.Sprintf("key-%d-%d-%d", round, number, i))
				open[key] = true
			}
			all.Go(func() {
				for i := range charges {
					settle(ctx, t, g, payment.GatewayKey(fmt.Sprintf("key-%d-%d-%d", round, number, i)), &mu, approved)
				}
			})
		}
		time.Sleep(time.Duration(20+random.IntN(100)) * time.Millisecond) // a real process is killed at any moment
		kill()
		stop()
		all.Wait()
	}
	base, kill := startProcess(t, path)
	g := gatewayAt(t, base)
	for key := range open {
		settle(t.Context(), t, g, key, &mu, approved)
		require.NotEmpty(t, approved[key])
		require.NotEmpty(t, approved["refund-"+key])
		require.NotEmpty(t, approved["end-"+key])
	}
	for key := range open {
		l := g.LookUp(t.Context(), payment.ChargeRef{Key: key, Sent: time.Now().Add(-time.Hour)})
		require.Equal(t, payment.FoundApproved, l.Result, l.Message)
		require.Equal(t, approved[key], l.TransactionID)
		require.Empty(t, l.Message)
		l = g.LookUp(t.Context(), payment.ChargeRef{
			Key: "refund-" + key, Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}, Sent: time.Now().Add(-time.Hour),
		})
		require.Equal(t, payment.FoundApproved, l.Result, l.Message)
		require.Equal(t, approved["refund-"+key], l.TransactionID)
		l = g.LookUp(t.Context(), payment.ChargeRef{
			Key: "hold-" + key, Money: money(t, "100", "USD"), Capture: payment.CaptureManual, Reference: approved["hold-"+key],
			Sent: time.Now(),
		})
		if endKind(key) == payment.KindVoid {
			require.Equal(t, payment.FoundVoided, l.Result, l.Message)
		} else {
			require.Equal(t, payment.FoundApproved, l.Result, l.Message)
			require.Equal(t, money(t, "60", "USD"), l.Captured)
		}
	}
	page, err := g.Charges(t.Context(), payment.LedgerQuery{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	seen := map[payment.GatewayKey]bool{}
	for ; ; page, err = g.Charges(t.Context(), payment.LedgerQuery{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Cursor: page.Next}) {
		require.NoError(t, err)
		for _, c := range page.Charges {
			require.False(t, seen[c.Key], "%s has two payments", c.Key)
			seen[c.Key] = true
		}
		if page.Next == "" {
			break
		}
	}
	require.Len(t, seen, 2*len(open), "a charge and a hold each")
	kill()
	fake, err := squarefake.Open(squarefake.Options{Ledger: path})
	require.NoError(t, err)
	for key := range open {
		require.Equal(t, 1, fake.Refunds("refund-"+string(key)), "refunds of %s", key)
		want := map[payment.Kind]int64{payment.KindCapture: 6000, payment.KindVoid: 0}[endKind(key)]
		require.Equal(t, want, fake.Taken(approved["end-"+key]), "capture of %s", key)
	}
	require.NoError(t, fake.Close())
}

func gatewayAt(t *testing.T, base string) *squaregateway.Gateway {
	t.Helper()
	o := validOptions()
	o.Environment, o.LocationID, o.BaseURL, o.Timeout = squaregateway.Sandbox, squarefake.DefaultLocation, base, longTimeout
	o.Token = func() string { return squarefake.DefaultToken }
	g, err := squaregateway.New(o)
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

// settle charges a key and refunds a part of it, unless the fake is killed, and compares with what was answered before.
func settle(ctx context.Context, t *testing.T, g *squaregateway.Gateway, key payment.GatewayKey, mu *sync.Mutex, approved map[payment.GatewayKey]string) {
	t.Helper()
	c := charge(t, cardOK)
	c.Key = key
	transaction := attempt(ctx, t, g, c, mu, approved)
	if transaction == "" {
		return
	}
	refund := payment.Charge{
		Key: "refund-" + key, OrderID: c.OrderID, Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"},
		Of: payment.ChargeID{Key: key, TransactionID: transaction}, Money: money(t, "25", "USD"),
	}
	attempt(ctx, t, g, refund, mu, approved)
	settleHold(ctx, t, g, key, mu, approved)
}

// settleHold holds money with a key of its own, and captures a part of it or voids it.
func settleHold(ctx context.Context, t *testing.T, g *squaregateway.Gateway, key payment.GatewayKey, mu *sync.Mutex, approved map[payment.GatewayKey]string) {
	t.Helper()
	c := charge(t, cardOK)
	c.Key, c.Capture = "hold-"+key, payment.CaptureManual
	r := g.Charge(ctx, c)
	mu.Lock()
	held := approved[c.Key]
	if r.Class == payment.ClassAuthorized {
		approved[c.Key], held = r.TransactionID, r.TransactionID
	}
	mu.Unlock()
	if held == "" { // a repeat after the capture is no authorization
		return
	}
	attempt(ctx, t, g, payment.Charge{
		Key: "end-" + key, OrderID: c.OrderID, Operation: payment.OperationID{Kind: endKind(key)},
		Of: payment.ChargeID{Key: c.Key, TransactionID: held}, Money: money(t, "60", "USD"),
	}, mu, approved)
}

// endKind is what ends the hold that belongs to a key: a capture for an even number.
func endKind(key payment.GatewayKey) payment.Kind {
	if (key[len(key)-1]-'0')%2 == 0 {
		return payment.KindCapture
	}
	return payment.KindVoid
}

// attempt makes an attempt, and returns its transaction if it is approved.
func attempt(
	ctx context.Context, t *testing.T, g *squaregateway.Gateway, c payment.Charge, mu *sync.Mutex, approved map[payment.GatewayKey]string,
) (transaction string) {
	t.Helper()
	key := c.Key
	r := g.Charge(ctx, c)
	if r.Class != payment.ClassApproved {
		return ""
	}
	mu.Lock()
	defer mu.Unlock()
	if before, ok := approved[key]; ok && before != r.TransactionID {
		t.Error(errors.New("another transaction for " + string(key)))
	}
	approved[key] = r.TransactionID
	return r.TransactionID
}
