package app

import (
	"time"

	"paymentd/adapters/console"
	"paymentd/adapters/metrics"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core"
)

// routeProcess is the route whose requests the console's charts show.
const routeProcess = "/payments/process"

// newTraffic returns nil if the console is switched off.
func newTraffic(cfg config.Config, m *metrics.Metrics) *console.Traffic {
	if !cfg.Console {
		return nil
	}
	t := console.NewTraffic()
	m.OnSettled(t.Settled)
	return t
}

// requestObserver feeds the metrics, and the charts of the console.
type requestObserver struct {
	*metrics.Metrics

	traffic *console.Traffic // nil if the console is switched off
}

// RequestEnded implements httpapi.Observer.
func (o requestObserver) RequestEnded(route string, status int, took time.Duration, replayed bool) {
	o.Metrics.RequestEnded(route, status, took, replayed)
	if o.traffic != nil && route == routeProcess && status != 0 {
		o.traffic.Answered(took)
	}
}

// newWatched returns what the first page of the console shows.
func newWatched(
	cfg config.Config, service *core.Service, r *Repository, traffic *console.Traffic, guarded []gateways.Guarded,
) console.Watched {
	return console.Watched{
		Work: r, Traffic: traffic, Replicas: service.Replicas, HeartbeatTimeout: cfg.HeartbeatTimeout,
		Gateways: func() (all []console.GatewayStatus) {
			for _, g := range guarded {
				c := g.Gateway.Capabilities()
				all = append(all, console.GatewayStatus{
					Name: g.Name, Kind: g.Kind.Name, Capabilities: c, Breaker: g.Guard.Breaker(), RetryIn: g.Guard.RetryIn(),
					InFlight: g.Guard.InFlight(), MaxInFlight: g.Guard.MaxConcurrent(), Calls: service.Calls(c.Gateway),
				})
			}
			return all
		},
	}
}
