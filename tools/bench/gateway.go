package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// gatewayClient calls the gateway for those who are not our service: net/http, and a number of
// connections that are kept.
type gatewayClient struct {
	url       string
	transport *http.Transport
}

func newGatewayClient(base string, connections int) *gatewayClient {
	return &gatewayClient{url: base + "/charges", transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections,
		IdleConnTimeout: 30 * time.Second, DisableCompression: true,
	}}
}

// charge takes the money for an order, and returns the transaction's id.
func (g *gatewayClient) charge(ctx context.Context, order string) (string, error) {
	body, err := json.Marshal(struct {
		OrderID  string `json:"order_id"`
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
	}{order, amount, "USD"})
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
		return "", fmt.Errorf("charge: read the answer: %w", err)
	}
	var answer struct {
		TransactionID string `json:"transaction_id"`
	}
	if err := json.Unmarshal(read, &answer); err != nil || answer.TransactionID == "" {
		return "", fmt.Errorf("charge: the gateway answers %d %s", response.StatusCode, read)
	}
	return answer.TransactionID, nil
}

func (g *gatewayClient) close() { g.transport.CloseIdleConnections() }

// gatewayKey needs no randomness: each order is charged once.
func gatewayKey(order string) string { return "key-" + order }
