package app

import (
	"context"
	"log/slog"
	"time"

	"go.uber.org/fx"

	"paymentd/adapters/metrics"
	"paymentd/adapters/webhooks"
	"paymentd/app/config"
	"paymentd/core/delivery"
	"paymentd/ports"
)

// deliveriesPerEndpoint bounds the deliveries in flight to one webhook endpoint, from this process.
const deliveriesPerEndpoint = 8

func newEndpoints(r *Repository) ports.Endpoints { return r.Endpoints() }

func newOutbox(r *Repository) ports.Outbox { return r.Outbox() }

func newSender(lc fx.Lifecycle, cfg config.Config, v Version) ports.Sender {
	s := webhooks.New(webhooks.Options{Timeout: cfg.EndpointsTimeout, Allow: cfg.EndpointsAllow, Version: string(v)})
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		s.Close()
		return nil
	}})
	return s
}

// newCourier returns the courier, which delivers events while the service runs.
func newCourier(
	lc fx.Lifecycle, cfg config.Config, endpoints ports.Endpoints, outbox ports.Outbox, sender ports.Sender,
	m *metrics.Metrics, log *slog.Logger,
) *delivery.Courier {
	settings := delivery.Settings{Timeout: cfg.EndpointsTimeout, Concurrency: deliveriesPerEndpoint}
	courier := delivery.New(settings, endpoints, outbox, sender, log)
	m.Webhooks(courier, outbox)
	running, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			courier.Load(ctx)
			go func() {
				defer close(stopped)
				courier.Run(running)
			}()
			return nil
		},
		OnStop: func(context.Context) error {
			stop()
			select {
			case <-stopped:
			case <-time.After(StopGrace): // the deliveries in flight are repeated after their leases
			}
			return nil
		},
	})
	return courier
}
