package httpapi_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpapi"
	"paymentd/app/apptest"
)

// withTLS are the options of a server with a certificate.
func withTLS(t *testing.T) httpapi.Options {
	t.Helper()
	certFile, keyFile := apptest.Certify(t, t.TempDir(), time.Now().AddDate(1, 0, 0))
	o := options(t)
	var err error
	o.Certificate, err = httpapi.OpenCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return o
}

// overTLS sends bytes over a connection with this configuration.
func (s *service) overTLS(config *tls.Config, sent string) (answer, tls.ConnectionState, error) {
	conn, err := tls.Dial("tcp", s.addr, config)
	if err != nil {
		return answer{}, tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, sent); err != nil {
		return answer{}, tls.ConnectionState{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{}, tls.ConnectionState{}, err
	}
	return s.read(response), conn.ConnectionState(), nil
}

func TestTLS_Versions(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serveWith(t, p, withTLS(t))
	const post = postHeader + oneRequest
	for version, works := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		got, state, err := s.overTLS(&tls.Config{
			RootCAs: apptest.Authorities(), MinVersion: version, MaxVersion: version,
		}, post)
		if !works {
			require.ErrorContains(t, err, "protocol version", tls.VersionName(version))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 200, got.status)
		require.Equal(t, version, state.Version)
		require.Equal(t, "max-age=31536000", got.header.Get("Strict-Transport-Security"))
	}
	require.Len(t, p.requests, 2)

	// A client that supports HTTP/2 gets HTTP/1.1.
	got, state, err := s.overTLS(&tls.Config{RootCAs: apptest.Authorities(), NextProtos: []string{"h2", "http/1.1"}}, looking("/healthz"))
	require.NoError(t, err)
	require.Equal(t, 200, got.status)
	require.Equal(t, "http/1.1", state.NegotiatedProtocol)
	_, _, err = s.overTLS(&tls.Config{RootCAs: apptest.Authorities(), NextProtos: []string{"h2"}}, looking("/healthz"))
	require.ErrorContains(t, err, "no application protocol")
}

// A plain HTTP request to the port gets an explanation, and is not processed.
func TestTLS_PlainHTTP_IsExplained(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serveWith(t, p, withTLS(t))
	got := s.raw(postHeader + oneRequest)
	require.Equal(t, 400, got.status)
	require.Equal(t, "Client sent an HTTP request to an HTTPS server.\n", got.body)
	p.requireUntouched(t)
}

func TestTLS_Off_NoTransportPolicy(t *testing.T) {
	t.Parallel()
	require.Empty(t, serve(t, &processor{}).get("/docs").header.Values("Strict-Transport-Security"))
}

// A handshake has the shortest of the deadlines, and a header over TLS its own.
func TestTLS_SlowHandshake_TimesOut(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	inVirtualTimeWith(t, p, withTLS(t), func(dial func() *caller, _ *logbook) {
		for _, hello := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
			c := dial()
			c.send(hello)
			c.requireHangUp(4 * time.Second)
		}
		c := dial()
		conn := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}) // the virtual clock has another year
		require.NoError(t, conn.Handshake())
		_, err := io.WriteString(conn, postHeader[:60])
		require.NoError(t, err)
		began := time.Now()
		said, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Empty(t, string(said))
		require.Equal(t, 5*time.Second, time.Since(began))
	})
	p.requireUntouched(t)
}

func TestOpenCertificate_Unusable_ReturnsError(t *testing.T) {
	t.Parallel()
	folder, other := t.TempDir(), t.TempDir()
	certFile, _ := apptest.Certify(t, folder, time.Now().AddDate(1, 0, 0))
	_, keyFile := apptest.Certify(t, other, time.Now().AddDate(1, 0, 0))
	for _, files := range [][2]string{
		{certFile, keyFile}, {keyFile, certFile}, {certFile, folder}, {folder + "/nowhere", keyFile}, {certFile, certFile},
	} {
		_, err := httpapi.OpenCertificate(files[0], files[1], slog.New(slog.DiscardHandler))
		require.Error(t, err)
		require.Contains(t, err.Error(), folder)
		require.NotContains(t, err.Error(), "PRIVATE")
	}
}
