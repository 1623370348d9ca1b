package squaregateway

import (
	"context"
	"net/http"
	"slices"

	"paymentd/internal/httpcall"
)

// Probe is whether the location can take payments, without a charge.
type Probe struct {
	// Arrived: there was an answer, from Square or an intermediary.
	Arrived bool
	// Own: Square itself answered.
	Own bool
	// Status is the HTTP status of the answer, if there was one.
	Status int
	// Ready: the token and the location are right, the location takes cards, and its payments can be
	// listed.
	Ready bool
	// Currency is that of the location: payments in any other are refused.
	Currency string
	// Message says what is wrong, for operators; empty if Ready.
	Message string
}

// Probe reads the location (RetrieveLocation, which needs the permission MERCHANT_PROFILE_READ) and
// lists its latest payment (ListPayments, PAYMENTS_READ).
func (g *Gateway) Probe(ctx context.Context) Probe {
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	a, failed := g.call(ctx, http.MethodGet, []string{"v2/locations", g.location}, nil, nil)
	if failed != nil {
		return Probe{Message: clip(failed.message)}
	}
	location := a.body.object("location")
	p := Probe{
		Arrived: true, Status: a.status, Currency: location.text("currency"),
		Own: len(a.errors) > 0 || a.success() && location.text("id") == g.location,
	}
	switch {
	case !p.Own:
		p.Message = clip("the answer " + a.describe() + " is not Square's answer to this request")
	case !a.success():
		p.Message = clip("Square answered " + a.describe())
	case location.text("status") != "ACTIVE":
		p.Message = "the location is not active"
	case !slices.Contains(location.list("capabilities"), any("CREDIT_CARD_PROCESSING")):
		p.Message = "the location may not process cards"
	default:
		_, why := g.listPage(ctx, payments, g.now().Add(-clockMargin), g.now(), 1, "")
		p.Ready, p.Message = why == "", clip(why)
	}
	return p
}
