package httpapi

import (
	"log/slog"
	"net/http"
)

// NewServer returns a server for the handler that [New] made of the same options. It has
// no address: serve a listener with it.
func NewServer(handler http.Handler, o Options, log *slog.Logger) *http.Server {
	// A deadline of HTTP/2 cannot be moved once it has passed, which respond does.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		ReadHeaderTimeout: o.HeaderTimeout,
		// Of these two, net/http lifts the first once the request is here, and respond
		// starts the second anew when there is something to write.
		ReadTimeout:  o.ReadTimeout,
		WriteTimeout: o.WriteTimeout,
		IdleTimeout:  o.IdleTimeout,
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
