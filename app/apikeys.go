package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"go.uber.org/fx"

	"paymentd/adapters/metrics"
	"paymentd/app/config"
	"paymentd/core/keycache"
	"paymentd/ports"
)

// newKeyCache returns the cache of the valid API keys, which is refreshed while the service runs.
func newKeyCache(
	lc fx.Lifecycle, cfg config.Config, keys ports.Keys, m *metrics.Metrics, log *slog.Logger,
) *keycache.Cache {
	static := &staticKeys{cfg: cfg, log: log}
	cache := keycache.New(keycache.Settings{Static: static.all, Open: cfg.ServesLoopback()}, keys, log)
	m.Keys(cache.Age)
	running, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			err := cache.Load(ctx)
			if errors.Is(err, keycache.ErrNoKey) {
				return config.Invalid("api-keys", "must be set to listen on "+cfg.Addr+", which is not a loopback address, "+
					"or a key be made with `paymentd keys create`")
			}
			go func() {
				defer close(stopped)
				cache.Run(running)
			}()
			return err
		},
		OnStop: func(context.Context) error {
			stop()
			select {
			case <-stopped:
			case <-time.After(StopGrace): // the times of last use may be lost
			}
			return nil
		},
	})
	return cache
}

// staticKeys are the API keys of the configuration. Those in the file may change.
type staticKeys struct {
	cfg     config.Config
	log     *slog.Logger
	inFile  []string
	problem string // of the file when it was last read
}

// all rereads the file, which is small, every other second, and returns all keys. A file that cannot be
// read or contains anything but keys changes nothing, because it may be half written.
func (s *staticKeys) all() []string {
	keys, err := config.ReadKeysFile(s.cfg.APIKeysFile)
	switch {
	case err == nil:
		if s.inFile != nil && !slices.Equal(s.inFile, keys) {
			s.log.Info("the API keys file has changed", "api_keys", len(keys))
		}
		s.inFile, s.problem = keys, ""
	case err.Error() != s.problem:
		s.log.Error("the API keys file is invalid; its previous keys remain valid", "error", err)
		s.problem = err.Error()
	}
	return slices.Concat(s.cfg.APIKeys, s.inFile)
}
