package httpcall

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No message contains Go's own error text.
func TestDescribeError_HasNoGoErrorText(t *testing.T) {
	t.Parallel()
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3001}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: err} }
	call := func(errno syscall.Errno) error { return os.NewSyscallError("connect", errno) }
	validity := &x509.Certificate{NotBefore: time.Unix(0, 0), NotAfter: time.Unix(86400, 0)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("read: %w", context.DeadlineExceeded), "the timeout was reached"},
		{context.Canceled, "the call was cancelled"},
		{dial(call(syscall.ECONNREFUSED)), "connection refused at 127.0.0.1:3001"},
		{dial(call(syscall.EHOSTUNREACH)), "there is no route to the host at 127.0.0.1:3001"},
		{dial(call(syscall.EMFILE)), "this process has too many open files (ulimit -n) at 127.0.0.1:3001"},
		{dial(call(syscall.ETIMEDOUT)), "the connection timed out at 127.0.0.1:3001"},
		{dial(&net.DNSError{Name: "gateway", IsNotFound: true}), "the name gateway was not found"},
		{dial(&net.DNSError{Name: "gateway", Err: "server misbehaving"}), "the name gateway could not be looked up"},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "the gateway reset the connection"},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, "the gateway closed the connection"},
		{io.EOF, "the connection was closed before the answer was complete"},
		{
			fmt.Errorf("read: %w", &truncatedError{200, io.ErrUnexpectedEOF}),
			"the answer 200 was truncated: the connection was closed before the answer was complete",
		},
		{io.ErrUnexpectedEOF, "the connection was closed before the answer was complete"},
		{errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0"`), "the answer is not HTTP/1.1"},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "the gateway's certificate is signed by an unknown authority"},
		{
			&tls.CertificateVerificationError{Err: x509.HostnameError{Host: "pay.example", Certificate: validity}},
			"the gateway's certificate is not for pay.example",
		},
		{
			&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: validity, Reason: x509.Expired}},
			"the gateway's certificate is valid from 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z only",
		},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "the server does not speak TLS"},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(40)}, "the TLS handshake failed: handshake failure"},
		{errors.New("tls: server selected unsupported protocol version 301"), "the TLS handshake failed: server selected unsupported protocol version 301"},
		{errSentBefore, errSentBefore.Error()},
	} {
		require.Equal(t, c.want, describeError(c.err))
	}
}
