package gateways

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
	"paymentd/internal/doctor"
)

// check is the name of the check of a gateway.
const check = "gateway"

// NoMoney is the finding for a gateway that moves no money.
func NoMoney(k Kind) doctor.Finding {
	return doctor.Of(check, "the "+k.Name, false, doctor.Fail, "Set PAYMENTD_GATEWAY to a real gateway: here no money moves.")
}

// Doctor reports that no money moves.
func (g sandboxGateway) Doctor(context.Context, doctor.Level) doctor.Finding {
	k, _ := Find("sandbox:")
	return NoMoney(k)
}

// Doctor looks up a gateway key that was never used, which charges nothing. The expected answer, that no
// charge has the key, is the one that the service relies on after an unknown outcome.
func (g httpGateway) Doctor(ctx context.Context, away doctor.Level) doctor.Finding {
	key := payment.GatewayKey("doctor-" + uuid.Must(uuid.NewV7()).String())
	return probeFinding(g.Probe(ctx, key), g.Capabilities(), away)
}

func probeFinding(probe httpgateway.Probe, can payment.Capabilities, away doctor.Level) doctor.Finding {
	const address = "PAYMENTD_GATEWAY (in the gateways file: url)"
	const mark = "header Idempotency-Key with the key of the charge"
	switch {
	case !probe.Arrived:
		return doctor.Of(check, "gives no answer: "+probe.Message, false, away,
			"Check that "+address+" is right, that the gateway runs, and that it accepts calls from this machine: nothing can "+
				"be charged.")
	case !probe.Marked:
		return doctor.Of(check, "gives no answer of its own: "+probe.Message, false, doctor.Fail,
			"Check that "+address+" is the base address of the gateway protocol, that its token is right, that no proxy "+
				"answers in its place, and that the gateway marks each answer with the "+mark+": other answers prove "+
				"nothing, and every payment would stay unresolved.")
	case probe.Result == payment.FoundNoAnswer:
		level := doctor.Fail
		if probe.Status >= http.StatusInternalServerError || probe.Status == http.StatusTooManyRequests {
			level = away // may be temporary
		}
		return doctor.Of(check, "does not answer lookups: "+probe.Message, false, level,
			"Check that "+address+" and the token are right, and that the gateway answers the lookup of a key that was never "+
				"used with 404 and the code not_found: charges cannot be looked up.")
	case probe.Result != payment.FoundNothing:
		return doctor.Of(check, "knows a gateway key that was never used ("+string(probe.Result)+")", false, doctor.Fail,
			"Check that "+address+" is the base address of the gateway protocol: charges cannot be looked up.")
	case !can.HonoursKeys():
		return doctor.Of(check, "honours no gateway key", false, doctor.Warn,
			"An attempt with an unknown outcome is not repeated and waits for an operator: see paymentd resolve.")
	}
	return doctor.Good(check, "answers itself, and has no charge for a key that was never used")
}
