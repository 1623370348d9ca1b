package process

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

const maxIdleConns = 1024 // per host: enough for a load test

// Transport returns a transport with a number of idle connections, which trusts the certificates of
// [Certify] and uses HTTP/2 if the server offers it over TLS.
func Transport(idle int) (*http.Transport, error) {
	roots, err := Authorities()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		MaxIdleConns: idle, MaxIdleConnsPerHost: idle, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}, nil
}

// Client returns the client of this process for everything that it starts.
var Client = sync.OnceValue(func() *http.Client {
	transport, err := Transport(maxIdleConns)
	if err != nil {
		panic(err) // P-256 and a valid template do not fail
	}
	transport.IdleConnTimeout, transport.DisableCompression = 5*time.Second, false
	return &http.Client{Transport: transport}
})
