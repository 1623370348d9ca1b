package httpcall

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// describeError returns why there is no answer. API clients read it in the attempts of a payment,
// operators in the log.
func describeError(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the timeout was reached"
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.Is(err, errSentBefore), errors.Is(err, errSwitched):
		return err.Error() // written by this package
	}
	if broken, ok := errors.AsType[*truncatedError](err); ok {
		return broken.Error()
	}
	if words := describeTLSError(err); words != "" {
		return words
	}
	if unresolved, ok := errors.AsType[*net.DNSError](err); ok {
		if unresolved.IsNotFound {
			return "the name " + unresolved.Name + " was not found"
		}
		return "the name " + unresolved.Name + " could not be looked up"
	}
	return describeNetworkError(err) + dialAddress(err)
}

// dialAddress returns the address that a dial failed for.
func dialAddress(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && op.Addr != nil {
		return " at " + op.Addr.String()
	}
	return ""
}

func describeNetworkError(err error) string {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "the connection timed out"
	}
	for _, c := range []struct {
		is    error
		words string
	}{
		{syscall.ECONNREFUSED, "connection refused"},
		{syscall.ECONNRESET, "the gateway reset the connection"},
		{syscall.EPIPE, "the gateway closed the connection"},
		{syscall.EHOSTUNREACH, "there is no route to the host"},
		{syscall.ENETUNREACH, "there is no route to the network"},
		{syscall.EADDRNOTAVAIL, "this machine has no local port left"},
		{syscall.EMFILE, "this process has too many open files (ulimit -n)"},
		{syscall.ENFILE, "this machine has too many open files"},
		{io.EOF, "the connection was closed before the answer was complete"},
		{io.ErrUnexpectedEOF, "the connection was closed before the answer was complete"},
		{net.ErrClosed, "the connection was closed"},
	} {
		if errors.Is(err, c.is) {
			return c.words
		}
	}
	switch text := err.Error(); {
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "malformed MIME"):
		return "the answer is not HTTP/1.1"
	case strings.Contains(text, "response headers exceeded"):
		return "the header of the answer is too long"
	}
	return "the connection failed: " + innermost(err).Error()
}

// describeTLSError returns an empty string for an error that is not about TLS.
func describeTLSError(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the gateway's certificate is signed by an unknown authority"
	}
	if wrong, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the gateway's certificate is not for " + wrong.Host
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired && invalid.Cert != nil {
			return "the gateway's certificate is valid from " + invalid.Cert.NotBefore.UTC().Format(time.RFC3339) +
				" to " + invalid.Cert.NotAfter.UTC().Format(time.RFC3339) + " only"
		}
		return "the gateway's certificate is not valid"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS"
	}
	_, alert := errors.AsType[tls.AlertError](err)
	text := innermost(err).Error()
	if alert || strings.HasPrefix(text, "tls: ") || strings.HasPrefix(text, "remote error: tls: ") {
		return "the TLS handshake failed: " + strings.TrimPrefix(strings.TrimPrefix(text, "remote error: "), "tls: ")
	}
	return ""
}

// innermost returns the last error of the chain.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
