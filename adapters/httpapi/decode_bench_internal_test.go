package httpapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func BenchmarkDecode(b *testing.B) {
	usd, err := payment.ParseCurrency("USD")
	require.NoError(b, err)
	for name, body := range map[string]string{
		"two members":   chargeForm.example,
		"three members": `{"order_id":"0198c1f0-6c4e-7a3b-9d52-1f2e3d4c5b6a","amount":"1234.56","currency":"EUR"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode([]byte(body), usd); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
