package mysqlstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/ports"
)

// authority issues certificates into files.
type authority struct {
	folder string
	key    *ecdsa.PrivateKey
	self   *x509.Certificate
	serial int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{folder: t.TempDir(), key: key, serial: 1}
	require.NoError(t, os.Chmod(a.folder, 0o755))
	a.self = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.write(t, "ca", a.self, key)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.folder, name) }

// issue writes name.crt and name.key.
func (a *authority) issue(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.serial++
	a.write(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, key)
}

func (a *authority) write(t *testing.T, name string, certificate *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.self, &key.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for path, block := range map[string]*pem.Block{
		a.path(name + ".crt"): {Type: "CERTIFICATE", Bytes: der},
		a.path(name + ".key"): {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
}

// reaches reports the error of the first statement with a URL.
func reaches(t *testing.T, databaseURL string) error {
	t.Helper()
	s := open(t, databaseURL, mysqlstore.Options{})
	return s.Ready(t.Context())
}

// The server demands a certificate of the client, and has one that no public authority has signed.
func TestURL_CertificatesAndPasswordFile(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, ownServer, mysqltest.TiDB, mysqltest.Vitess)
	own, other := newAuthority(t, "own"), newAuthority(t, "other")
	own.issue(t, "server")
	own.issue(t, "client")
	server, err := mysqltest.Start(t.Context(), mysqltest.Config{Relaxed: true, Args: []string{
		"--ssl-ca=" + own.path("ca.crt"), "--ssl-cert=" + own.path("server.crt"), "--ssl-key=" + own.path("server.key"),
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	plain, err := server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	require.NoError(t, server.Execute(t.Context(), "CREATE USER mutual@'127.0.0.1' IDENTIFIED BY 'first' REQUIRE X509"))
	require.NoError(t, server.Execute(t.Context(), "GRANT ALL ON payments.* TO mutual@'127.0.0.1'"))
	steps, err := mysqlstore.Schema(plain)
	require.NoError(t, err)
	require.NoError(t, steps.Up(t.Context()))

	u, err := url.Parse(plain)
	require.NoError(t, err)
	password := own.path("password")
	require.NoError(t, os.WriteFile(password, []byte("first\n"), 0o600))
	with := func(options ...string) string {
		values := url.Values{}
		for i := 0; i < len(options); i += 2 {
			values.Set(options[i], options[i+1])
		}
		return "mysql://mutual@" + u.Host + "/payments?" + values.Encode()
	}
	mutual := with("tls-ca", own.path("ca.crt"), "tls-cert", own.path("client.crt"), "tls-key", own.path("client.key"),
		"password-file", password)
	require.NoError(t, reaches(t, mutual))
	_, err = mysqlstore.Schema(mutual)
	require.NoError(t, err)

	for name, refused := range map[string]string{
		"another authority":     with("tls-ca", other.path("ca.crt"), "tls-cert", own.path("client.crt"), "tls-key", own.path("client.key"), "password-file", password),
		"the public ones":       with("tls", "true", "password-file", password),
		"no client certificate": with("tls-ca", own.path("ca.crt"), "password-file", password),
	} {
		require.ErrorIs(t, reaches(t, refused), ports.ErrUnavailable, name)
	}

	// A new connection reads the password again.
	s := open(t, mutual, mysqlstore.Options{ConnLifetime: time.Nanosecond})
	require.NoError(t, s.Ready(t.Context()))
	require.NoError(t, server.Execute(t.Context(), "ALTER USER mutual@'127.0.0.1' IDENTIFIED BY 'second'"))
	require.ErrorIs(t, s.Ready(t.Context()), ports.ErrUnavailable)
	require.NoError(t, os.WriteFile(password, []byte("second\n"), 0o600))
	require.NoError(t, s.Ready(t.Context()))
}

func TestURL_Socket(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, ownServer, mysqltest.TiDB, mysqltest.Vitess)
	server, err := mysqltest.Start(t.Context(), mysqltest.Config{Relaxed: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	_, err = server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	require.NoError(t, server.Execute(t.Context(), "CREATE USER local@localhost IDENTIFIED BY 'x'"))
	require.NoError(t, server.Execute(t.Context(), "GRANT ALL ON payments.* TO local@localhost"))
	socket := "mysql://local:x@localhost/payments?socket=" + url.QueryEscape(filepath.Join(server.Folder(), "socket"))
	steps, err := mysqlstore.Schema(socket)
	require.NoError(t, err)
	require.NoError(t, steps.Up(t.Context()))
	require.NoError(t, reaches(t, socket))
	for _, finding := range open(t, socket, mysqlstore.Options{}).Doctor(t.Context(), 1) {
		if finding.Check == "tls" {
			require.Contains(t, finding.Found, "Unix socket")
		}
	}
}

func TestURL_OptionErrors(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "own")
	lines, none := a.path("lines"), a.path("none")
	require.NoError(t, os.WriteFile(lines, []byte("s3cret\nmore\n"), 0o600))
	for options, want := range map[string]string{
		"tls-ca=ca.crt":                                "must be the absolute path",
		"tls-ca=" + none:                               "tls-ca: ",
		"tls-ca=" + a.folder:                           "must be a file",
		"tls-ca=" + lines:                              "must hold PEM certificates",
		"tls=false&tls-ca=" + a.path("ca.crt"):         "require tls=true",
		"tls=skip-verify&tls-ca=" + a.path("ca.crt"):   "require tls=true",
		"tls-cert=" + a.path("ca.crt"):                 "must be given together",
		"tls-key=" + a.path("ca.key"):                  "must be given together",
		"tls-cert=" + lines + "&tls-key=" + lines:      "tls-cert and tls-key",
		"socket=/run/s":                                "host must be localhost",
		"socket=s":                                     "must be the absolute path",
		"password-file=" + lines:                       "must hold one line",
		"password-file=" + none:                        "password-file: ",
		"password-file=" + none + "&password-file=/a":  "each once",
		"tls-crt=" + a.path("ca.crt"):                  "takes these options",
		"tls=true&tls-ca=" + a.path("ca.crt") + "&x=1": "takes these options",
	} {
		t.Run(strings.ReplaceAll(options, a.folder, ""), func(t *testing.T) {
			t.Parallel()
			_, err := mysqlstore.Open("mysql://pay@db.example/payments?"+options, mysqlstore.Options{})
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, err.Error(), "\n")
		})
	}
	for address, want := range map[string]string{
		"pay:s3cret@h/p?password-file=" + lines: "remove one of the two",
		"pay@localhost:3306/p?socket=/run/s":    "without a port",
		"pay@localhost/p?socket=/s&tls=true":    "needs no TLS",
		"pay@localhost/p?socket=/s&tls-ca=/ca":  "needs no TLS",
	} {
		_, err := mysqlstore.Open("mysql://"+address, mysqlstore.Options{})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "s3cret")
	}
}
