package httpapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"paymentd/core"
	"paymentd/core/apikey"
	"paymentd/core/payment"
	"paymentd/ports"
)

// checkLimits refuses a request of a key with limits for an order that is not among its own. Every route with an
// order in its path is checked here. The handlers of the other routes in ownLimits check the orders that they name or
// return; all further routes are refused, because their answers are about the orders of every key.
func (a *api) checkLimits(c echo.Context, limits apikey.Limits) error {
	infoOf(c).limits = limits
	if slices.Contains(ownLimits, c.Path()) {
		return nil
	}
	if c.Param("order_id") == "" {
		return outsideLimits(c, "the API key is limited to "+limits.String()+", and this path is about all; use one without limits")
	}
	id, err := orderIDInPath(c)
	if err != nil {
		return err
	}
	return a.checkOrder(c, limits, id)
}

// ownLimits are the routes whose handlers apply the limits of the key.
var ownLimits = []string{routeProcess, routePayments, routeGateways}

// checkOrder refuses an order outside the limits, and one whose payment is at a gateway outside of them. It reads the
// payment only if the key is limited to gateways.
func (a *api) checkOrder(c echo.Context, limits apikey.Limits, id payment.OrderID) error {
	if !limits.AllowOrder(id.String()) {
		return outsideOrders(c, limits)
	}
	if len(limits.Gateways) == 0 {
		return nil
	}
	p, err := a.processor.Payment(c.Request().Context(), id)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return nil // the handler says so
	case err != nil:
		return readRefusal(err)
	case !limits.AllowGateway(string(p.Gateway)):
		return outsideGateways(c, limits)
	}
	return nil
}

// checkRequest refuses a request to charge an order outside the limits of the key. A payment that does not exist yet, or
// may go to another gateway, is refused unless the key is for every gateway of its route, so that neither a retry nor
// the queue can move it to one that the key is not for.
func (a *api) checkRequest(c echo.Context, limits apikey.Limits, r core.Request) error {
	if !limits.AllowOrder(r.OrderID.String()) {
		return outsideOrders(c, limits)
	}
	if len(limits.Gateways) == 0 {
		return nil
	}
	p, err := a.processor.Payment(c.Request().Context(), r.OrderID)
	switch {
	case errors.Is(err, ports.ErrNotFound):
	case err != nil:
		return err
	case !limits.AllowGateway(string(p.Gateway)):
		return outsideGateways(c, limits)
	case p.State.Approved():
		return nil // it is replayed
	case r.Method == "":
		r.Method = p.Method
	}
	route, err := a.options.Route(r)
	if err != nil {
		return err
	}
	for _, id := range route {
		if !limits.AllowGateway(string(id)) {
			return outsideLimits(c, fmt.Sprintf("the API key is limited to the gateways %s, and the routes lead this payment to %s as well; "+
				"use another key, or change the routes", strings.Join(limits.Gateways, ", "), id))
		}
	}
	return nil
}

func outsideOrders(c echo.Context, limits apikey.Limits) error {
	return outsideLimits(c, "the API key is limited to orders whose order_id begins with "+
		strings.Join(limits.OrderPrefixes, " or ")+"; use one that is for this order")
}

func outsideGateways(c echo.Context, limits apikey.Limits) error {
	return outsideLimits(c, "the API key is limited to the gateways "+strings.Join(limits.Gateways, ", ")+
		", and the payment is at another one; use a key that is for that gateway")
}

func outsideLimits(c echo.Context, sentence string) error {
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, challengeLimits)
	return refuse(problemScope).withSentence(sentence)
}

// maxScanned bounds the payments of the states of the list that one request reads for a key with limits, or to find
// those of a filter.
const maxScanned = 10 * maxPage

// listWithin returns a page of the payments that the key may see and the filter selects. It reads at most maxScanned
// payments, and, to find those of certain states, [ports.MaxExamined] rows, so a page with a cursor may have fewer
// payments than the limit, or none.
func (a *api) listWithin(ctx context.Context, limits apikey.Limits, query listQuery) (ports.ListPage, error) {
	q := query.ListQuery
	if limits.IsZero() && query.filter == (ports.ListFilter{}) {
		return a.processor.List(ctx, q)
	}
	wanted, found := q.Limit, ports.ListPage{}
	q.Limit, q.Examined = maxPage, ports.MaxExamined*maxPage/maxScanned
	for scanned := 0; scanned < maxScanned; scanned += q.Limit {
		page, err := a.processor.List(ctx, q)
		if err != nil {
			return ports.ListPage{}, err
		}
		for _, p := range page.Payments {
			if !query.filter.Matches(p) || !limits.AllowOrder(p.OrderID.String()) || !limits.AllowGateway(string(p.Gateway)) {
				continue
			}
			if len(found.Payments) == wanted {
				last := found.Payments[wanted-1]
				found.NextCreatedAt, found.NextOrderID = last.CreatedAt, last.OrderID
				return found, nil
			}
			found.Payments = append(found.Payments, p)
		}
		for _, unreadable := range page.Unreadable {
			// The gateway of such a row is not known.
			if limits.AllowOrder(unreadable.OrderID.String()) && len(limits.Gateways) == 0 {
				found.Unreadable = append(found.Unreadable, unreadable)
			}
		}
		found.NextCreatedAt, found.NextOrderID = page.NextCreatedAt, page.NextOrderID
		if page.NextOrderID == "" {
			break
		}
		q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
	}
	return found, nil
}
