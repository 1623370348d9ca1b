package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"paymentd/adapters/sandbox"
)

// gatewayCommand starts the gateway as a process of this binary, with an address, a latency, a protocol,
// and the files of a certificate and its key. It is the sandbox of paymentd, whose own command serves
// plain text only.
const gatewayCommand = "gateway"

// runGateway serves the gateway until SIGTERM, and returns the exit code.
func runGateway(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := serveGateway(ctx, args[0], args[1], args[2], args[3], args[4]); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "gateway: %v\n", err)
		return exitFailed
	}
	return 0
}

func serveGateway(ctx context.Context, addr, latency, protocol, certFile, keyFile string) error {
	debug.SetGCPercent(400) // it shares the processors with what is measured
	takes, err := time.ParseDuration(latency)
	if err != nil {
		return err
	}
	g, err := sandbox.Open("ledger", sandbox.WithLatency(takes), sandbox.WithLog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := sandbox.NewServer(g)
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(protocol != https2)
	server.Protocols.SetHTTP2(protocol == https2)
	if protocol == plain {
		err = server.Serve(l)
	} else {
		err = server.ServeTLS(l, certFile, keyFile)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
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
