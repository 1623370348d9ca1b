package httpapi

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"paymentd/core/payment"
	"paymentd/ports"
)

// lookUp serves GET /payments/{order_id}.
func (a *api) lookUp(c echo.Context) error {
	id, err := orderIDInPath(c)
	if err != nil {
		return err
	}
	history, err := a.processor.History(c.Request().Context(), id)
	if errors.Is(err, ports.ErrNotFound) && routePayments+"/"+id.String() == routeProcess {
		// No order has this name, so the request is for the other resource at this path.
		c.Response().Header().Set("Allow", "OPTIONS, POST")
		return refuse(problemMethod)
	}
	if err != nil {
		return readRefusal(err)
	}
	view := viewHistory(history)
	infoOf(c).state, infoOf(c).attempts = history.Payment.State, len(view.Attempts)
	return a.respond(c, http.StatusOK, view)
}

// orderIDInPath returns the order id in the path of a request.
func orderIDInPath(c echo.Context) (payment.OrderID, error) {
	// The router took the segment from a path that net/url has already decoded, so decoding cannot
	// fail.
	decoded, err := url.PathUnescape(c.Param("order_id"))
	if err != nil {
		return "", err
	}
	id, err := payment.ParseOrderID(decoded)
	if err == nil {
		infoOf(c).order = id
	}
	return id, err
}
