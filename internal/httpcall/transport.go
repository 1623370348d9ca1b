package httpcall

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	maxHeaderBytes = 64 << 10
	bufferSize     = 1 << 10

	// idleTimeout closes a kept connection before most servers and load balancers do, so that few
	// calls get one that is being closed.
	idleTimeout = 30 * time.Second

	// All calls share one HTTP/2 connection. Without pings, a connection that loses all packets
	// would fail every call until TCP gives up, after minutes.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

func newTransport(o Options) *http.Transport {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: o.Timeout}).DialContext
	}
	return &http.Transport{
		Proxy: nil, // see New
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &countedConn{Conn: conn}, nil
		},
		TLSClientConfig:        o.tlsConfig(),
		TLSHandshakeTimeout:    o.Timeout, // a dial may outlast its call
		ForceAttemptHTTP2:      true,      // the default is off with a custom dialer
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxIdleConns:           o.Connections,
		MaxIdleConnsPerHost:    o.Connections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// Larger than most requests and answers; each connection has both buffers.
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		DisableCompression: true, // so that the limit of the body bounds the bytes that are read
	}
}

// tlsConfig returns how the server and the client are authenticated.
func (o Options) tlsConfig() *tls.Config {
	c := &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	if certificate := o.ClientCertificate; certificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate(), nil }
	}
	return c
}
