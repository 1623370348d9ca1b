package app_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// dialTLS connects to a process, and returns the serial number of its certificate.
func dialTLS(t *testing.T, p *apptest.Process) (*tls.Conn, *big.Int) {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(p.URL, "https://"), &tls.Config{RootCAs: apptest.Authorities()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.ConnectionState().PeerCertificates[0].SerialNumber
}

// askOn sends a request on a connection, which stays open, and returns the status of the answer.
func askOn(t *testing.T, conn io.Writer, answers *bufio.Reader) int {
	t.Helper()
	_, err := io.WriteString(conn, "GET /payments/order-1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// TestTLS_CertificateReplaced_IsServed replaces the certificate of a running process. New connections get the new
// certificate, open connections stay open, and the metrics and the log show the change.
func TestTLS_CertificateReplaced_IsServed(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	certFile, keyFile := apptest.Certify(t, folder, time.Now().Add(12*time.Hour))
	p := serve(t, env{"PAYMENTD_TLS_CERTIFICATE": certFile, "PAYMENTD_TLS_KEY": keyFile})
	answer := apptest.Pay(t.Context(), p.URL, "order-1", "1.00")
	require.Equal(t, http.StatusOK, answer.Code, answer)
	require.NotEmpty(t, answer.Header.Get("Strict-Transport-Security"))
	open, first := dialTLS(t, p)
	answers := bufio.NewReader(open)
	require.Equal(t, http.StatusOK, askOn(t, open, answers))

	end := time.Now().AddDate(1, 0, 0)
	apptest.Certify(t, folder, end)
	apptest.Eventually(t, 30*time.Second, func() error {
		if _, now := dialTLS(t, p); now.Cmp(first) == 0 {
			return errors.New("the old certificate is still served")
		}
		return nil
	})

	require.Equal(t, http.StatusOK, askOn(t, open, answers), "the open connection was closed")

	metrics := apptest.Get(t.Context(), p.URL, "/metrics").Raw
	found := regexp.MustCompile(`(?m)^paymentd_tls_certificate_expiry_timestamp_seconds (\S+)$`).FindStringSubmatch(metrics)
	require.NotNil(t, found)
	expiry, err := strconv.ParseFloat(found[1], 64)
	require.NoError(t, err)
	require.InDelta(t, float64(end.Unix()), expiry, 1)
	require.Equal(t, 2, strings.Count(p.Log(), "the TLS certificate was read"))
	require.Zero(t, p.Stop(t))
}

// TestHealth_OverTLS uses a certificate that the system does not trust.
func TestHealth_OverTLS(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	certFile, keyFile := apptest.Certify(t, folder, time.Now().Add(12*time.Hour))
	p := serve(t, env{"PAYMENTD_TLS_CERTIFICATE": certFile, "PAYMENTD_TLS_KEY": keyFile})
	run := func(args ...string) apptest.Output {
		return apptest.Run(t, apptest.Build(t), nil, append([]string{"health", p.URL + "/readyz"}, args...)...)
	}
	require.Equal(t, apptest.Output{}, run("--ca="+filepath.Join(folder, "ca.crt")))
	unknown := run()
	require.Equal(t, 1, unknown.Code)
	require.Contains(t, unknown.Stderr, "certificate signed by unknown authority")
	for file, want := range map[string]string{
		keyFile: "--ca: must be a file with certificates as PEM", folder + "/nowhere": "--ca: must be a file that can be read, and " + folder + "/nowhere is not",
	} {
		wrong := run("--ca=" + file)
		require.Equal(t, 2, wrong.Code)
		require.Contains(t, wrong.Stderr, want)
	}
	plain := apptest.Run(t, apptest.Build(t), nil, "health", strings.Replace(p.URL, "https", "http", 1)+"/healthz")
	require.Equal(t, 1, plain.Code)
	require.Contains(t, plain.Stderr, "400")
}

// TestServe_WrongCertificate_ExitsWithTwo checks that one line names the setting and the file.
func TestServe_WrongCertificate_ExitsWithTwo(t *testing.T) {
	t.Parallel()

	certFile, keyFile := apptest.Certify(t, t.TempDir(), time.Now().Add(12*time.Hour))
	_, otherKey := apptest.Certify(t, t.TempDir(), time.Now().Add(12*time.Hour))
	const nowhere = "/nowhere/tls.pem"
	for _, c := range []struct{ cert, key, want string }{
		{certFile, "", "PAYMENTD_TLS_KEY (--tls-key): must be set: a certificate and its key go together"},
		{"", keyFile, "PAYMENTD_TLS_CERTIFICATE (--tls-certificate): must be set: a certificate and its key go together"},
		{nowhere, keyFile, "PAYMENTD_TLS_CERTIFICATE (--tls-certificate): must be a file that can be read, and " + nowhere + " is not: no such file or directory"},
		{certFile, nowhere, "PAYMENTD_TLS_KEY (--tls-key): must be a file that can be read, and " + nowhere + " is not: no such file or directory"},
		{certFile, otherKey, fmt.Sprintf("PAYMENTD_TLS_CERTIFICATE (--tls-certificate): %s and %s are not a certificate and its key: ", certFile, otherKey)},
	} {
		out := apptest.Run(t, apptest.Build(t), env{"PAYMENTD_TLS_CERTIFICATE": c.cert, "PAYMENTD_TLS_KEY": c.key}, "serve")
		require.Equal(t, 2, out.Code, out)
		require.Contains(t, out.Stderr, "paymentd: "+c.want)
		require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
	}
}
