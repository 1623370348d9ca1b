package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core"
	"paymentd/core/payment"
)

// capture serves POST /payments/{order_id}/capture.
func (a *api) capture(c echo.Context) error {
	c.Response().Header()["Vary"] = valueAcceptPrefer
	request, err := a.readCapture(c)
	if err != nil {
		return err
	}
	answer, err := a.operate(c, request, a.processor.Capture)
	if err != nil {
		return err
	}
	if answer.State == payment.StateSucceeded {
		setReplayed(c, answer)
		return a.respond(c, http.StatusOK, wire.Captured{
			Status: wire.CapturedStatusSuccess, TransactionID: answer.TransactionID,
		})
	}
	return a.answerHold(c, answer)
}

// void serves POST /payments/{order_id}/void.
func (a *api) void(c echo.Context) error {
	c.Response().Header()["Vary"] = valueAcceptPrefer
	request, err := a.readVoid(c)
	if err != nil {
		return err
	}
	answer, err := a.operate(c, request, a.processor.Void)
	if err != nil {
		return err
	}
	if answer.State == payment.StateSucceeded {
		setReplayed(c, answer)
		return a.respond(c, http.StatusOK, wire.Voided{
			Status: wire.VoidedStatusSuccess, TransactionID: answer.TransactionID,
		})
	}
	return a.answerHold(c, answer)
}

// answerHold responds to a capture or a void that has not succeeded.
func (a *api) answerHold(c echo.Context, answer core.Answer) error {
	switch answer.State {
	case payment.StateUnresolved, payment.StateScheduled, payment.StatePending:
		header := c.Response().Header()
		header.Set("Location", paymentPath(answer.OrderID.String()))
		header.Set("Retry-After", wholeSeconds(answer.RetryAfter))
		return a.respond(c, http.StatusAccepted, wire.OperationAccepted{
			Status: wire.OperationAcceptedStatus(answer.State), OrderID: answer.OrderID.String(),
		})
	default:
		return refuseOperation(answer)
	}
}

func setReplayed(c echo.Context, answer core.Answer) {
	if answer.Replayed {
		c.Response().Header().Set("Idempotent-Replayed", "true")
	}
}

// readCapture refuses any ambiguous request. An amount without a currency is in that of the payment.
func (a *api) readCapture(c echo.Context) (core.Request, error) {
	request, err := operationInPath(c, payment.KindCapture, "put amount, currency and reason into the JSON body")
	if err != nil {
		return core.Request{}, err
	}
	if err := checkMediaType(c.Request().Header); err != nil {
		return core.Request{}, err
	}
	body, err := readBody(c, maxBodyBytes)
	if err != nil {
		return core.Request{}, err
	}
	values, err := captureForm.read(body)
	if err != nil {
		return core.Request{}, err
	}
	if request.Note, err = reasonOf(values[2]); err != nil {
		return core.Request{}, err
	}
	request.Money, err = a.operationMoney(c, request.OrderID, values[0], values[1])
	return request, err
}

// readVoid refuses any ambiguous request. The body may be empty, because a void needs no member; Content-Type may be
// missing then, and is not another one.
func (a *api) readVoid(c echo.Context) (core.Request, error) {
	request, err := operationInPath(c, payment.KindVoid, "put reason into the JSON body")
	if err != nil {
		return core.Request{}, err
	}
	if c.Request().ContentLength == 0 && len(c.Request().Header.Values("Content-Type")) == 0 {
		return request, nil
	}
	if err := checkMediaType(c.Request().Header); err != nil {
		return core.Request{}, err
	}
	body, err := readBody(c, maxBodyBytes)
	if err != nil {
		return core.Request{}, err
	}
	if len(body) == 0 {
		return request, nil
	}
	values, err := voidForm.read(body)
	if err != nil {
		return core.Request{}, err
	}
	request.Note, err = reasonOf(values[0])
	return request, err
}

// operationInPath returns the request for the only operation of a kind of the order in the path.
func operationInPath(c echo.Context, kind payment.Kind, instead string) (core.Request, error) {
	id, err := orderIDInPath(c)
	if err != nil {
		return core.Request{}, err
	}
	if c.Request().URL.RawQuery != "" {
		return core.Request{}, refuse(problemMalformed).withSentence("this path takes no query string; " + instead)
	}
	request := core.Request{OrderID: id, Operation: payment.OperationID{Kind: kind}}
	infoOf(c).operation = request.Operation
	return request, nil
}
