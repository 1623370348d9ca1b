package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // registers itself on the default mux, which this program does not serve
	"runtime"
	"time"

	"go.uber.org/fx"

	"paymentd/adapters/httpapi"
	"paymentd/app/config"
)

// pprofHeaderTimeout bounds how long a client may take to send its header. The answer has no timeout,
// because a CPU profile takes as long as the client asks for.
const pprofHeaderTimeout = 5 * time.Second

// pprofServer serves the profiles of the process to this machine.
type pprofServer struct {
	listener net.Listener
	http     *http.Server
	log      *slog.Logger
}

// startPprof serves profiles on a separate address if the configuration names one.
func startPprof(lc fx.Lifecycle, cfg config.Config, log *slog.Logger) error {
	if cfg.PprofAddr == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.PprofAddr)
	if err != nil {
		return config.Invalid("pprof-addr", CannotListen(cfg.PprofAddr, err))
	}
	p := &pprofServer{listener: l, log: log, http: &http.Server{
		Handler: localOnly(pprofHandler()), ReadHeaderTimeout: pprofHeaderTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	lc.Append(fx.Hook{OnStart: p.start, OnStop: p.stop})
	return nil
}

func (p *pprofServer) start(context.Context) error {
	go func() {
		if err := p.http.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("profiles are no longer served", "error", err) // payments still are
		}
	}()
	p.log.Info("profiles are served", "url", "http://"+p.listener.Addr().String()+"/debug/pprof/")
	return nil
}

// stop does not wait for a profile in progress.
func (p *pprofServer) stop(context.Context) error {
	if err := p.http.Close(); err != nil {
		return fmt.Errorf("stop serving profiles: %w", err)
	}
	return nil
}

// localOnly refuses requests with another Host name, because a web page in a browser on this machine could
// use a name of its own that resolves to this address (DNS rebinding).
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpapi.Hosts(nil).Accept(r) {
			http.Error(w, "profiles are served to localhost and the loopback addresses only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// pprofHandler omits the command line, which the packages net/http/pprof and expvar expose, because it may
// contain a password.
func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index) // and each profile by name
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/vars", memoryStatistics)
	return mux
}

// memoryStatistics writes the memory statistics in the format of package expvar.
func memoryStatistics(w http.ResponseWriter, _ *http.Request) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct { //nolint:errchkjson // only the connection can fail
		Memstats *runtime.MemStats `json:"memstats"`
	}{&stats})
}
