package httpgateway_test

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
)

// BenchmarkCharge makes charges on 64 goroutines per processor, with the gateway in the same
// process.
func BenchmarkCharge(b *testing.B) {
	for _, bb := range []struct {
		name  string
		start func(*httptest.Server)
	}{
		{"http", (*httptest.Server).Start},
		{"https, HTTP/1.1", (*httptest.Server).StartTLS},
		{"https, HTTP/2", func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			server := httptest.NewUnstartedServer(marked(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, approved)
			}))
			bb.start(server)
			defer server.Close()
			opts := []httpgateway.Option{httpgateway.WithConnections(256)}
			if server.TLS != nil {
				authorities := x509.NewCertPool()
				authorities.AddCert(server.Certificate())
				opts = append(opts, httpgateway.WithRootCAs(authorities))
			}
			g, err := httpgateway.New(server.URL, time.Minute, opts...)
			require.NoError(b, err)
			defer g.Close()
			c := payment.Charge{Key: "key-1", OrderID: "order-123", Money: dollars(b, "100")}
			b.ReportAllocs()
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if r := g.Charge(context.Background(), c); r.Class != payment.ClassApproved {
						b.Error(r.Message)
					}
				}
			})
		})
	}
}
