package httpapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/jsonobject"
	"paymentd/ports"
)

// refund serves POST /payments/{order_id}/refunds.
func (a *api) refund(c echo.Context) error {
	c.Response().Header()["Vary"] = valueAcceptPrefer
	request, err := a.readRefund(c)
	if err != nil {
		return err
	}
	answer, err := a.operate(c, request, a.processor.Refund)
	if err != nil {
		return err
	}
	return a.answerRefund(c, answer)
}

// readRefund refuses any ambiguous request. An amount without a currency is in that of the payment.
func (a *api) readRefund(c echo.Context) (core.Request, error) {
	id, err := orderIDInPath(c)
	if err != nil {
		return core.Request{}, err
	}
	if c.Request().URL.RawQuery != "" {
		return core.Request{}, refuse(problemMalformed).
			withSentence("this path takes no query string; put refund_id, amount, currency and reason into the JSON body")
	}
	if err := checkMediaType(c.Request().Header); err != nil {
		return core.Request{}, err
	}
	body, err := readBody(c, maxBodyBytes)
	if err != nil {
		return core.Request{}, err
	}
	values, err := refundForm.read(body)
	if err != nil {
		return core.Request{}, err
	}
	request := core.Request{OrderID: id}
	if request.Operation, err = refundIDOf(values[0]); err != nil {
		return core.Request{}, err
	}
	infoOf(c).operation = request.Operation
	if request.Note, err = reasonOf(values[3]); err != nil {
		return core.Request{}, err
	}
	request.Money, err = a.operationMoney(c, id, values[1], values[2])
	return request, err
}

// operationMoney returns the amount of a refund or a capture, or the zero value if the request has none.
func (a *api) operationMoney(
	c echo.Context, id payment.OrderID, amount, currency json.RawMessage,
) (payment.Money, error) {
	switch {
	case amount == nil && currency == nil:
		return payment.Money{}, nil
	case amount == nil:
		return payment.Money{}, fieldError("currency", "currency must be left out if there is no amount")
	case currency == nil:
		p, err := a.processor.Payment(c.Request().Context(), id)
		if err != nil {
			return payment.Money{}, err
		}
		return moneyOf(amount, p.Money.Currency())
	}
	given, err := currencyOf(currency, a.options.Currency)
	if err != nil {
		return payment.Money{}, err
	}
	return moneyOf(amount, given)
}

func refundIDOf(value json.RawMessage) (payment.OperationID, error) {
	if value == nil {
		return payment.OperationID{}, fieldError("refund_id", "refund_id must be given")
	}
	text, ok := jsonobject.Text(value)
	if !ok {
		return payment.OperationID{}, fieldError("refund_id", `refund_id must be a JSON string, such as "refund-1"`)
	}
	return payment.ParseRefundID(text)
}

// reasonOf parses the reason, which may be left out. Its errors never contain the text.
func reasonOf(value json.RawMessage) (string, error) {
	if value == nil {
		return "", nil
	}
	text, ok := jsonobject.Text(value)
	if !ok {
		return "", fieldError("reason", "reason must be a JSON string, or be left out")
	}
	return payment.ParseRefundReason(text)
}

func (a *api) answerRefund(c echo.Context, answer core.Answer) error {
	header, name := c.Response().Header(), answer.Operation.Name
	switch answer.State {
	case payment.StateSucceeded:
		setReplayed(c, answer)
		return a.respond(c, http.StatusOK, wire.Refunded{
			Status: wire.RefundedStatusSuccess, RefundID: name, TransactionID: answer.TransactionID,
		})
	case payment.StateUnresolved, payment.StateScheduled, payment.StatePending:
		header.Set("Location", refundPath(answer.OrderID.String(), name))
		header.Set("Retry-After", wholeSeconds(answer.RetryAfter))
		return a.respond(c, http.StatusAccepted, wire.RefundAccepted{
			Status: wire.RefundAcceptedStatus(answer.State), OrderID: answer.OrderID.String(), RefundID: name,
		})
	default:
		return refuseOperation(answer)
	}
}

// listRefunds serves GET /payments/{order_id}/refunds.
func (a *api) listRefunds(c echo.Context) error {
	history, err := a.refundsInPath(c)
	if err != nil {
		return err
	}
	return a.respond(c, http.StatusOK, wire.RefundList{Refunds: viewRefunds(history)})
}

// lookUpRefund serves GET /payments/{order_id}/refunds/{refund_id}.
func (a *api) lookUpRefund(c echo.Context) error {
	decoded, err := url.PathUnescape(c.Param("refund_id"))
	if err != nil {
		return err
	}
	id, err := payment.ParseRefundID(decoded)
	if err != nil {
		return err
	}
	infoOf(c).operation = id
	history, err := a.refundsInPath(c)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(history.Operations, func(h ports.History) bool { return h.Payment.Operation == id })
	if i < 0 {
		return refuse(problemNoRefund)
	}
	found := history.Operations[i]
	infoOf(c).state, infoOf(c).attempts = found.Payment.State, len(begun(found))
	view := wire.Refund(viewOperation(found))
	view.Timeline = timeline(found)
	return a.respond(c, http.StatusOK, view)
}

// refundsInPath returns the history of the order in the path.
func (a *api) refundsInPath(c echo.Context) (ports.History, error) {
	id, err := orderIDInPath(c)
	if err != nil {
		return ports.History{}, err
	}
	history, err := a.processor.History(c.Request().Context(), id)
	if err != nil {
		return ports.History{}, readRefusal(err)
	}
	return history, nil
}

// refundPath returns the percent-encoded path of a refund.
func refundPath(order, name string) string {
	return paymentPath(order) + "/refunds/" + url.PathEscape(name)
}
