package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
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

// The gateway is a process of this binary: `bench gateway`, with these variables. It is the sandbox of
// paymentd, which itself serves plain text only.
const (
	gatewayCommand     = "gateway"
	gatewayAddr        = "BENCH_GATEWAY_ADDR"
	gatewayLedger      = "BENCH_GATEWAY_LEDGER"
	gatewayLatency     = "BENCH_GATEWAY_LATENCY"
	gatewayProtocol    = "BENCH_GATEWAY_PROTOCOL"
	gatewayCertificate = "BENCH_GATEWAY_CERTIFICATE"
	gatewayKeyFile     = "BENCH_GATEWAY_KEY"
)

func isGateway(args []string) bool { return len(args) == 2 && args[1] == gatewayCommand }

func runGateway() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := serveGateway(ctx); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "gateway: %v\n", err)
		return exitFailed
	}
	return 0
}

func serveGateway(ctx context.Context) error {
	debug.SetGCPercent(400) // it shares the processors with what is measured
	latency, err := time.ParseDuration(os.Getenv(gatewayLatency))
	if err != nil {
		return err
	}
	g, err := sandbox.Open(os.Getenv(gatewayLedger), sandbox.WithLatency(latency), sandbox.WithLog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", os.Getenv(gatewayAddr))
	if err != nil {
		return err
	}
	server := sandbox.NewServer(g)
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	protocol := os.Getenv(gatewayProtocol)
	if protocol == plain {
		err = server.Serve(l)
	} else {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(protocol == https1)
		server.Protocols.SetHTTP2(protocol == https2)
		err = server.ServeTLS(l, os.Getenv(gatewayCertificate), os.Getenv(gatewayKeyFile))
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// gatewayClient calls the gateway for the contenders: net/http with a number of kept connections, and
// TLS if the gateway has it.
type gatewayClient struct {
	url       string
	transport *http.Transport
}

func newGatewayClient(base string, roots *x509.CertPool, connections int) *gatewayClient {
	return &gatewayClient{url: base + "/charges", transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections,
		IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}
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
