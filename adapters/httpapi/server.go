package httpapi

import (
	"log/slog"
	"net"
	"net/http"
)

// NewServer returns a server for a handler of [New] with the same options. It has no address; use
// [Serve] with a listener.
func NewServer(handler http.Handler, o Options, log *slog.Logger) *http.Server {
	// respond extends the write deadline after it has passed, which HTTP/2 does not support.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		ReadHeaderTimeout: o.HeaderTimeout, // the shortest of the three bounds a TLS handshake
		// net/http lifts the read deadline when the request has been read, and respond restarts the
		// write deadline when the response is ready.
		ReadTimeout:  o.ReadTimeout,
		WriteTimeout: o.WriteTimeout,
		IdleTimeout:  o.IdleTimeout,
		// OPTIONS * is handled like any request: logged, and with the headers of all responses.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if o.Certificate != nil {
		server.TLSConfig = o.Certificate.config()
	}
	return server
}

// Serve serves a listener until it is closed, with TLS if the options of the server have a
// certificate.
func Serve(server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}
