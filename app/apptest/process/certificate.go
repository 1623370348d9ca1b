package process

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// AuthorityFile is the name of the authority's own certificate in the folder of [Certify].
const AuthorityFile = "ca.crt"

// authority signs the certificates of this process.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// started is in real time, because a test in virtual time may be the first to need the authority.
var started = time.Now()

var theAuthority = sync.OnceValues(func() (a authority, err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return a, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "apptest"},
		NotBefore: started.Add(-time.Hour), NotAfter: started.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return a, err
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.certificate, err = x509.ParseCertificate(der)
	return a, err
})

// Authorities returns a pool with the authority that signs what [Certify] makes.
func Authorities() (*x509.CertPool, error) {
	ca, err := theAuthority()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	return pool, nil
}

// Certify writes a certificate for the loopback addresses of this machine, which expires at end, and
// its key into the folder: tls.crt and tls.key. The authority's certificate is written to
// [AuthorityFile].
func Certify(folder string, end time.Time) (certFile, keyFile string, err error) {
	ca, err := theAuthority()
	if err != nil {
		return "", "", err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "paymentd"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	for name, content := range map[string][]byte{
		certFile:                             pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyFile:                              pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		filepath.Join(folder, AuthorityFile): ca.pem,
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return "", "", err
		}
	}
	return certFile, keyFile, nil
}
