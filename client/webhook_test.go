package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/client"
	"paymentd/core/endpoint"
	domain "paymentd/core/payment"
	"paymentd/internal/standardwebhooks"
)

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	usd, err := domain.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := domain.MoneyFromMinor(2500, usd)
	require.NoError(t, err)
	now := time.Date(2026, 1, 31, 16, 0, 0, 0, time.UTC)
	change := domain.Change{Type: "refund.succeeded", Was: domain.StateProcessing, Payment: domain.Payment{
		OrderID: "order-123", Operation: domain.OperationID{Kind: domain.KindRefund, Name: "r-1"}, Money: money,
		State: domain.StateSucceeded, TransactionID: "txn-1", Gateway: "bank", CreatedAt: now, UpdatedAt: now,
	}}
	body := change.Payload(7)
	secret, other := endpoint.NewSecret().Reveal(), endpoint.NewSecret().Reveal()
	signed := func(secret string, at time.Time) http.Header {
		parsed, err := standardwebhooks.ParseSecret(secret)
		require.NoError(t, err)
		h := make(http.Header)
		parsed.Sign(h, "evt_1", at, body)
		return h
	}

	e, err := client.VerifyWebhook(signed(secret, now), body, now, other, secret)
	require.NoError(t, err)
	require.Equal(t, "refund.succeeded", e.Type)
	require.Equal(t, string(domain.NewChangeID("order-123", 7)), e.ID)
	require.EqualValues(t, 7, e.Sequence)
	require.Equal(t, "r-1", e.Data.OperationID)
	require.Equal(t, client.StateSucceeded, e.Data.State)
	require.Equal(t, "25.00", e.Data.Amount)
	require.Equal(t, now, e.Timestamp)

	for name, c := range map[string]struct {
		header  http.Header
		body    string
		secrets []string
		want    error
	}{
		"another secret":    {signed(other, now), string(body), []string{secret}, client.ErrWebhookUnsigned},
		"another body":      {signed(secret, now), string(body) + " ", []string{secret}, client.ErrWebhookUnsigned},
		"no header":         {http.Header{}, string(body), []string{secret}, client.ErrWebhookUnsigned},
		"no secret":         {signed(secret, now), string(body), nil, client.ErrWebhookUnsigned},
		"too old":           {signed(secret, now.Add(-6*time.Minute)), string(body), []string{secret}, client.ErrWebhookTime},
		"too far in future": {signed(secret, now.Add(6*time.Minute)), string(body), []string{secret}, client.ErrWebhookTime},
	} {
		_, err := client.VerifyWebhook(c.header, []byte(c.body), now, c.secrets...)
		require.ErrorIs(t, err, c.want, name)
	}
	_, err = client.VerifyWebhook(signed(secret, now), body, now, "secret")
	require.ErrorContains(t, err, "whsec_")
}
