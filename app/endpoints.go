package app

import (
	"context"
	"log/slog"
	"time"

	"go.uber.org/fx"

	"paymentd/adapters/metrics"
	"paymentd/adapters/natssink"
	"paymentd/adapters/webhooks"
	"paymentd/app/config"
	"paymentd/core/delivery"
	"paymentd/core/endpoint"
	"paymentd/ports"
)

// deliveriesPerEndpoint bounds the deliveries in flight to one webhook endpoint, from this process.
const deliveriesPerEndpoint = 8

func newEndpoints(r *Repository) ports.Endpoints { return r.Endpoints() }

func newOutbox(r *Repository) ports.Outbox { return r.Outbox() }

func newSender(lc fx.Lifecycle, cfg config.Config, v Version) ports.Sender {
	s := sender{
		http: webhooks.New(webhooks.Options{Timeout: cfg.EndpointsTimeout, Allow: cfg.EndpointsAllow, Version: string(v)}),
		bus: natssink.New(natssink.Options{
			Timeout: cfg.EndpointsTimeout, Allow: cfg.EndpointsAllow, CredentialsFile: cfg.NATSCredentialsFile,
			CAFile: cfg.NATSCAFile, Version: string(v),
		}),
	}
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		s.http.Close()
		s.bus.Close()
		return nil
	}})
	return s
}

// sender is ports.Sender for every kind of endpoint.
type sender struct {
	http *webhooks.Sender
	bus  *natssink.Sender
}

// Send implements ports.Sender.
func (s sender) Send(ctx context.Context, to endpoint.Endpoint, d endpoint.Delivery) endpoint.Answer {
	if to.IsBus() {
		return s.bus.Send(ctx, to, d)
	}
	return s.http.Send(ctx, to, d)
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
