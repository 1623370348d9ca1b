package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.uber.org/fx"

	"paymentd/adapters/metrics"
	"paymentd/core/keyring"
	"paymentd/ports"
)

// newKeyring returns the keys that open, which it keeps fresh while the service runs.
func newKeyring(
	lc fx.Lifecycle, cfg Config, keys ports.Keys, m *metrics.Metrics, log *slog.Logger,
) (*keyring.Ring, error) {
	host, err := hostOf(cfg.Addr)
	if err != nil {
		return nil, setting("addr", err.Error())
	}
	static := &staticKeys{cfg: cfg, log: log}
	ring := keyring.New(keyring.Settings{Static: static.all, Open: loopback(host)}, keys, log)
	m.Keys(ring.Age)
	running, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			err := ring.Load(ctx)
			if errors.Is(err, keyring.ErrNoKey) {
				return setting("api-keys", "must be set to listen on "+cfg.Addr+", which is not a loopback address, "+
					"or a key be made with `paymentd keys create`")
			}
			go func() {
				defer close(stopped)
				ring.Run(running)
			}()
			return err
		},
		OnStop: func(context.Context) error {
			stop()
			select {
			case <-stopped:
			case <-time.After(stopGrace): // a last use of a key is not worth more
			}
			return nil
		},
	})
	return ring, nil
}
