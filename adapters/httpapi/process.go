package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core"
	"paymentd/core/payment"
)

// process serves POST /payments/process.
func (a *api) process(c echo.Context) error {
	header := c.Response().Header()
	header["Vary"] = valueAcceptPrefer
	request, err := a.readRequest(c)
	if err != nil {
		return err
	}
	prefer := parsePrefer(c.Request().Header.Values("Prefer"))
	request.Wait, request.Async = prefer.wait, prefer.async
	infoOf(c).order = request.OrderID
	if limits := infoOf(c).limits; !limits.IsZero() {
		if err := a.checkRequest(c, limits, request); err != nil {
			return err
		}
	}

	answer, err := a.processor.Process(c.Request().Context(), request)
	_, wrong := errors.AsType[*payment.FieldError](err) // the request did not wait
	if applied := prefer.applied(answer.Async); applied != "" && !wrong {
		header.Set("Preference-Applied", applied)
	}
	if err != nil {
		return err
	}
	infoOf(c).setAnswer(answer)
	return a.answer(c, answer)
}

// readRequest refuses any ambiguous request.
func (a *api) readRequest(c echo.Context) (core.Request, error) {
	if c.Request().URL.RawQuery != "" {
		return core.Request{}, refuse(problemMalformed).
			withSentence("this path takes no query string; put order_id, amount, currency, payment_method and capture into the JSON body")
	}
	if err := checkMediaType(c.Request().Header); err != nil {
		return core.Request{}, err
	}
	body, err := readBody(c, maxBodyBytes)
	if err != nil {
		return core.Request{}, err
	}
	return decode(body, a.options.Currency)
}

func (a *api) answer(c echo.Context, answer core.Answer) error {
	header := c.Response().Header()
	switch answer.State {
	case payment.StateSucceeded, payment.StateAuthorized:
		setReplayed(c, answer)
		status := wire.SucceededStatusSuccess
		if answer.State == payment.StateAuthorized {
			status = wire.SucceededStatusAuthorized
		}
		return a.respond(c, http.StatusOK, wire.Succeeded{Status: status, TransactionID: answer.TransactionID})
	case payment.StateUnresolved, payment.StateScheduled, payment.StatePending:
		header.Set("Location", paymentPath(answer.OrderID.String()))
		header.Set("Retry-After", wholeSeconds(answer.RetryAfter))
		return a.respond(c, http.StatusAccepted, wire.Accepted{
			Status: wire.AcceptedStatus(answer.State), OrderID: answer.OrderID.String(), RedirectURL: answer.RedirectURL,
		})
	case payment.StateDeclined:
		return refuse(problemDeclined).withCode(answer.Code)
	case payment.StateFailed:
		if answer.Code == payment.CodeRejected {
			return refuse(problemRejected)
		}
		return refuse(problemExhausted)
	case payment.StateVoided:
		return refuse(problemVoided)
	case payment.StateProcessing: // not final, so there is no response
	}
	return fmt.Errorf("answer order %s: no answer for state %q", answer.OrderID, answer.State)
}
