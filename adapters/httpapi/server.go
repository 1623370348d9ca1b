package httpapi

import (
	"log/slog"
	"net"
	"net/http"
)

// NewServer returns a server for the handler that [New] made of the same options. It has
// no address: serve a listener with it, by [Serve].
func NewServer(handler http.Handler, o Options, log *slog.Logger) *http.Server {
	// A deadline of HTTP/2 cannot be moved once it has passed, which respond does.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		ReadHeaderTimeout: o.HeaderTimeout, // a TLS handshake has the shortest of the three
		// Of these two, net/http lifts the first once the request is here, and respond
		// starts the second anew when there is something to write.
		ReadTimeout:  o.ReadTimeout,
		WriteTimeout: o.WriteTimeout,
		IdleTimeout:  o.IdleTimeout,
		// OPTIONS * is a request as any other: logged, and with the headers of all answers.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if o.Certificate != nil {
		server.TLSConfig = o.Certificate.config()
	}
	return server
}

// Serve has a server of [NewServer] serve a listener until it is closed, with TLS where the options
// had a certificate.
func Serve(server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}
