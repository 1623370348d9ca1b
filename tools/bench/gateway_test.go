package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"paymentd/adapters/sandbox"
)

// The gateway is a process of this binary: the sandbox of paymentd, whose own command serves plain text
// only. Its settings are variables.
const (
	gatewayCommand  = "sandbox"
	gatewayProtocol = "BENCH_PROTOCOL"
	gatewayLatency  = "BENCH_LATENCY"
)

// runGateway serves the gateway until SIGTERM, and returns the exit code.
func runGateway() int {
	debug.SetGCPercent(400)                                   // it shares the processors with what is measured
	takes, _ := time.ParseDuration(os.Getenv(gatewayLatency)) // our own
	g, err := sandbox.Open("ledger", sandbox.WithLatency(takes), sandbox.WithLog(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = g.Close() }()
	server, protocol := sandbox.NewServer(g), os.Getenv(gatewayProtocol)
	server.Addr, server.Protocols = os.Getenv("PAYMENTD_SANDBOX_ADDR"), new(http.Protocols)
	server.Protocols.SetHTTP1(protocol != https2)
	server.Protocols.SetHTTP2(protocol == https2)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if protocol == plain {
		err = server.ListenAndServe()
	} else {
		err = server.ListenAndServeTLS(os.Getenv("PAYMENTD_TLS_CERTIFICATE"), os.Getenv("PAYMENTD_TLS_KEY"))
	}
	fmt.Fprintln(os.Stderr, err)
	return 0
}

// gatewayClient calls the gateway for the contenders through net/http.
type gatewayClient struct {
	url       string
	transport *http.Transport
}

// charge charges an order, and returns the id of the transaction.
func (g *gatewayClient) charge(ctx context.Context, order string) (string, error) {
	body, err := json.Marshal(map[string]string{"order_id": order, "amount": amount, "currency": "USD"})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", gatewayKey(order))
	response, err := g.transport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("charge: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("charge: read the response: %w", err)
	}
	var result struct {
		TransactionID string `json:"transaction_id"`
	}
	if err := json.Unmarshal(read, &result); err != nil || result.TransactionID == "" {
		return "", fmt.Errorf("charge: the gateway returned %d %s", response.StatusCode, read)
	}
	return result.TransactionID, nil
}

// gatewayKey needs no randomness, because each order is charged once.
func gatewayKey(order string) string { return "key-" + order }
