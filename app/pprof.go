package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // it adds itself to the default mux, which nothing of ours serves
	"runtime"
	"time"

	"go.uber.org/fx"

	"paymentd/adapters/httpapi"
)

// pprofHeaderTimeout bounds how long a client takes to send its header. There is none for the
// answer: a CPU profile takes as long as it was asked to.
const pprofHeaderTimeout = 5 * time.Second

// pprofServer serves the process's profiles to whoever is on this machine.
type pprofServer struct {
	addr string
	http *http.Server
	log  *slog.Logger
}

// startPprof serves profiles on an address of their own where the configuration names one.
func startPprof(lc fx.Lifecycle, cfg Config, log *slog.Logger) {
	if cfg.PprofAddr == "" {
		return
	}
	p := &pprofServer{addr: cfg.PprofAddr, log: log, http: &http.Server{
		Handler: localOnly(pprofHandler()), ReadHeaderTimeout: pprofHeaderTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	lc.Append(fx.Hook{OnStart: p.start, OnStop: p.stop})
}

func (p *pprofServer) start(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.addr)
	if err != nil {
		return setting("pprof-addr", cannotListen(p.addr, err))
	}
	go func() {
		if err := p.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("the profiles are no longer served", "error", err) // payments are
		}
	}()
	p.log.Info("profiles are served", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	return nil
}

// stop does not wait for a profile that is being taken.
func (p *pprofServer) stop(context.Context) error {
	if err := p.http.Close(); err != nil {
		return fmt.Errorf("stop serving profiles: %w", err)
	}
	return nil
}

// localOnly refuses requests under another name: a page in a browser of this machine could have one of
// its own lead here.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpapi.Hosts(nil).Accept(r) {
			http.Error(w, "profiles are served to localhost and the loopback addresses only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// pprofHandler leaves the command line out, which the packages net/http/pprof and expvar
// would show: it may hold a password.
func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index) // and each profile by its name
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/vars", memoryStatistics)
	return mux
}

// memoryStatistics answers in the form of package expvar.
func memoryStatistics(w http.ResponseWriter, _ *http.Request) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct { //nolint:errchkjson // what fails is the connection
		Memstats *runtime.MemStats `json:"memstats"`
	}{&stats})
}
