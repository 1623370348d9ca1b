package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/fx"

	"paymentd/app/config"
	"paymentd/core/payment"
	"paymentd/ports"
)

// addresses compares the addresses of the gateways with those that are stored. A gateway whose identity is a name may be
// another system than the one that its open payments were sent to. There, a lookup would find nothing, and a paid order
// would be charged again.
type addresses struct {
	cfg      config.Config
	gateways OpenGateways
	stored   ports.GatewayAddresses
	payments ports.Payments
	replica  Replica
	log      *slog.Logger

	// checked: the gateways may be called.
	checked atomic.Bool
	refused chan error // receives the error if a gateway is refused after the start
	cancel  context.CancelFunc
	done    chan struct{}
}

func newAddresses(lc fx.Lifecycle, cfg config.Config, r *Repository, open OpenGateways, name Replica, log *slog.Logger) *addresses {
	a := &addresses{
		cfg: cfg, gateways: open, stored: r.GatewayAddresses(), payments: r, replica: name, log: log,
		refused: make(chan error, 1),
	}
	lc.Append(fx.Hook{OnStart: a.start, OnStop: func(context.Context) error { a.stop(); return nil }})
	return a
}

// start checks the addresses. Without a database that can be used, it repeats the check in the background, and no
// gateway is called until then.
func (a *addresses) start(ctx context.Context) error {
	err := a.check(ctx)
	if err == nil || isRefusal(err) {
		return err
	}
	a.log.Warn("the addresses of the gateways could not be checked, and no gateway is called until they are; retrying", "error", err)
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel, a.done = cancel, make(chan struct{})
	go func() {
		defer close(a.done)
		a.retry(background)
	}()
	return nil
}

func (a *addresses) retry(ctx context.Context) {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := a.check(ctx)
		if isRefusal(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(migrateInterval)), backoff.WithMaxElapsedTime(0))
	if isRefusal(err) {
		a.refused <- err
	}
}

func (a *addresses) stop() {
	if a.cancel != nil {
		a.cancel()
		<-a.done
	}
}

func isRefusal(err error) bool {
	_, refused := errors.AsType[*config.SettingError](err)
	return refused
}

// check stores the addresses. It returns a *config.SettingError if a gateway must not be used at its address.
func (a *addresses) check(ctx context.Context) error {
	for _, g := range a.gateways {
		if address := g.Address(); g.Options.ID != "" && address != "" {
			if err := a.checkGateway(ctx, g, address); err != nil {
				return err
			}
		}
	}
	a.checked.Store(true)
	return nil
}

func (a *addresses) checkGateway(ctx context.Context, g OpenGateway, address string) error {
	stored, err := a.stored.Find(ctx, g.Options.ID)
	for err == nil && stored != address {
		replaced := stored
		if replaced != "" && !slices.Contains(g.MovedFrom, replaced) {
			if err := a.refuse(ctx, g, replaced, address); err != nil {
				return err
			}
		}
		// If another replica stores an address first, that one is compared.
		if stored, err = a.stored.Replace(ctx, g.Options.ID, replaced, address); err == nil && stored == address && replaced != "" {
			a.log.Info("a gateway has another address than before", "gateway", g.Name, "address", address, "before", replaced)
		}
	}
	return err
}

// refuse returns a *config.SettingError if payments are open at the gateway's stored address, or if another replica may
// open some there.
func (a *addresses) refuse(ctx context.Context, g OpenGateway, stored, address string) error {
	open, err := a.stored.CountOpen(ctx, g.Options.ID)
	if err != nil {
		return err
	}
	remedy := "set moved_from: " + stored
	if a.cfg.GatewaysFile == "" {
		remedy = fmt.Sprintf("configure it in a gateways file, with id: %s and moved_from: %s", g.Options.ID, stored)
	}
	remedy = "If it is the same gateway at a new address, " + remedy + "; if not, give the new one another name"
	if open > 0 {
		return cannotOpen(a.cfg, g.Settings, fmt.Errorf("%s open at %s, and its address is %s now: they would be looked up at "+
			"another system. %s and keep this one", counted(open), stored, address, remedy))
	}
	others, err := a.payments.Heartbeats(ctx, string(a.replica))
	if err != nil {
		return err
	}
	alive := slices.IndexFunc(others, func(h ports.Heartbeat) bool { return h.Age < a.cfg.HeartbeatTimeout })
	if alive < 0 {
		return nil
	}
	return cannotOpen(a.cfg, g.Settings, fmt.Errorf("replica %s runs, and may open payments at %s, but the address is %s here. "+
		"%s, or stop all replicas first", others[alive].Replica, stored, address, remedy))
}

// counted returns how many payments, in words.
func counted(payments int) string {
	switch {
	case payments == 1:
		return "1 payment is"
	case payments >= ports.MaxBacklog:
		return fmt.Sprintf("%d payments or more are", payments)
	}
	return fmt.Sprintf("%d payments are", payments)
}

// checkedGateway is a gateway that is not called before the addresses are checked.
type checkedGateway struct {
	ports.Gateway

	addresses *addresses
}

const unchecked = "the address of the gateway has not been compared with the database yet"

// Charge implements ports.Gateway.
func (g checkedGateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if !g.addresses.checked.Load() {
		return payment.Result{Class: payment.ClassNotCharged, Message: unchecked}
	}
	return g.Gateway.Charge(ctx, c)
}

// LookUp implements ports.Gateway.
func (g checkedGateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if !g.addresses.checked.Load() {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: unchecked}
	}
	return g.Gateway.LookUp(ctx, ref)
}

// Cancel implements ports.Gateway.
func (g checkedGateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if !g.addresses.checked.Load() {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: unchecked}
	}
	return g.Gateway.Cancel(ctx, ref)
}
