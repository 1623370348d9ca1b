package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
	"paymentd/internal/doctor"
)

// judgeGateway looks up a key that was never used. That nothing has it is the answer on which
// lookups depend, and it never charges. away is how bad it is if the gateway gives no answer now.
func judgeGateway(ctx context.Context, gateway *httpgateway.Gateway, away doctor.Level) doctor.Finding {
	const (
		check = "gateway"
		mark  = "header Idempotency-Key with the key of the charge"
	)
	found := gateway.Probe(ctx, payment.GatewayKey("doctor-"+newUUID()))
	switch {
	case !found.Arrived:
		return doctor.Of(check, "gives no answer: "+found.Message, false, away,
			"See that PAYMENTD_GATEWAY is right, that the gateway runs, and that it takes calls from here: nothing can be charged.")
	case !found.Marked:
		return doctor.Of(check, "gives no answer of its own: "+found.Message, false, doctor.Fail,
			"See that PAYMENTD_GATEWAY is the base address of the gateway protocol, that its token is right, that nothing in "+
				"between answers, and that the gateway marks each of its answers with the "+mark+": no other answer counts, "+
				"and every payment would stay unresolved.")
	case found.Result == payment.FoundNoAnswer:
		level := doctor.Fail
		if found.Status >= http.StatusInternalServerError || found.Status == http.StatusTooManyRequests {
			level = away // it is sick, and may be well later
		}
		return doctor.Of(check, "does not answer lookups: "+found.Message, false, level,
			"See that PAYMENTD_GATEWAY and its token are right, and that the gateway answers a lookup of a key that was never used "+
				"with 404 and the code not_found: charges cannot be looked up here.")
	case found.Result != payment.FoundNothing:
		return doctor.Of(check, "knows a gateway key that was never used ("+string(found.Result)+")", false, doctor.Fail,
			"See that PAYMENTD_GATEWAY is the base address of the gateway protocol: charges cannot be looked up here.")
	case !gateway.Capabilities().HonoursKeys:
		return doctor.Of(check, "honours no gateway key", false, doctor.Warn,
			"An unknown outcome is not attempted again, and waits for a person: see paymentd resolve.")
	}
	return doctor.Good(check, "answers itself, and knows nothing of a key that was never used")
}

// gatewayCheck looks at the gateway once, when the service starts, and logs what is not as it should
// be, so that a wrong address, a wrong token or a gateway without marks shows before a payment does.
// It holds up nothing.
type gatewayCheck struct {
	gateway *httpgateway.Gateway
	timeout time.Duration
	log     *slog.Logger

	cancel context.CancelFunc
	done   chan struct{}
}

func (c *gatewayCheck) start(ctx context.Context) error {
	ctx, c.cancel = context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		finding := judgeGateway(ctx, c.gateway, doctor.Warn)
		if !errors.Is(ctx.Err(), context.Canceled) { // the service stops: that is not the gateway's fault
			logFinding(c.log, finding)
		}
	}()
	return nil
}

func (c *gatewayCheck) stop(context.Context) error {
	if c.cancel != nil {
		c.cancel()
		<-c.done
	}
	return nil
}
