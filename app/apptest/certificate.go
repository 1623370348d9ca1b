package apptest

import (
	"crypto/x509"
	"testing"
	"time"

	"paymentd/app/apptest/process"
)

// Authorities returns a pool with the authority that signs what [Certify] makes.
func Authorities() *x509.CertPool {
	pool, err := process.Authorities()
	if err != nil {
		panic(err) // P-256 and a valid template do not fail
	}
	return pool
}

// Certify writes a certificate for the loopback addresses of this machine, which expires at end, and
// its key into the folder: tls.crt and tls.key. The authority's certificate is written to ca.crt.
func Certify(t testing.TB, folder string, end time.Time) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := process.Certify(folder, end)
	if err != nil {
		t.Fatalf("apptest: make a certificate: %v", err)
	}
	return certFile, keyFile
}
