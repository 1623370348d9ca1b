package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core/payment"
	"paymentd/ports"
)

// The default and the maximum number of payments of a page.
const (
	defaultPage = 50
	maxPage     = 200
)

// maxFilterBytes is what the longest transaction id, gateway key, or name of a gateway has.
const maxFilterBytes = 255

// list serves GET /payments?state=&gateway=&created_from=&created_before=&q=&limit=&cursor=.
func (a *api) list(c echo.Context) error {
	query, err := parseListQuery(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.listWithin(c.Request().Context(), infoOf(c).limits, query)
	if err != nil {
		return readRefusal(err)
	}
	body := wire.PaymentList{Payments: []wire.Payment{}} // [] in JSON, not null
	for _, p := range page.Payments {
		body.Payments = append(body.Payments, viewPayment(p))
	}
	body.Unreadable = len(page.Unreadable)
	for _, unreadable := range page.Unreadable {
		body.UnreadableOrderIds = append(body.UnreadableOrderIds, unreadable.OrderID.String())
	}
	if page.NextOrderID != "" {
		body.NextCursor = query.encodeCursor(page.NextCreatedAt, page.NextOrderID)
	}
	return a.respond(c, http.StatusOK, body)
}

// listQuery is a list that a request asks for.
type listQuery struct {
	ports.ListQuery

	filter ports.ListFilter
}

// parseListQuery parses the parameters of a list. An empty parameter counts as not given, because
// forms send those. An unknown one is refused: a misspelt "sate=failed" must not list every
// payment.
func parseListQuery(raw string) (listQuery, error) {
	query := listQuery{ListQuery: ports.ListQuery{Limit: defaultPage}}
	parameters, err := url.ParseQuery(raw)
	if err != nil {
		return query, malformed("the query string must be percent-encoded, with & between its parameters")
	}
	cursor := ""
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values := parameters[name]
		switch name {
		case "state":
			query.States, err = parseStates(values)
		case "gateway":
			var gateway string
			gateway, err = parseFilter(name, values)
			query.filter.Gateway = payment.GatewayID(gateway)
		case "q":
			query.filter.Q, err = parseFilter(name, values)
		case "created_from":
			query.CreatedFrom, err = parseBound(name, values)
		case "created_before":
			query.CreatedBefore, err = parseBound(name, values)
		case "limit":
			query.Limit, err = parseLimit(values)
		case "cursor":
			cursor, err = single(name, values)
		default:
			err = malformed("the parameter " + quotedName(name) +
				" is not known; use state, gateway, created_from, created_before, q, limit or cursor")
		}
		if err != nil {
			return query, err
		}
	}
	if cursor == "" {
		return query, nil
	}
	query.AfterCreatedAt, query.AfterOrderID, err = query.decodeCursor(cursor)
	return query, err
}

// parseStates parses repeated parameters such as state=failed&state=declined.
func parseStates(values []string) ([]payment.State, error) {
	var states []payment.State
	for _, name := range values {
		if name == "" {
			continue
		}
		state, err := payment.ParseState(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(states, state) {
			return nil, malformed("state must name each state once only")
		}
		states = append(states, state)
	}
	slices.Sort(states) // a cursor is valid for any order of the states
	return states, nil
}

func parseLimit(values []string) (int, error) {
	text, err := single("limit", values)
	if err != nil || text == "" {
		return defaultPage, err
	}
	limit, err := strconv.ParseUint(text, 10, 31) // accepts no sign
	if err != nil || limit < 1 || limit > maxPage {
		return 0, fieldError("limit", "limit must be a whole number from 1 to "+strconv.Itoa(maxPage))
	}
	return int(limit), nil
}

// parseBound parses a bound on creation times. These are stored in microseconds, so a bound with a
// fraction of a microsecond is rounded up, which selects the same payments.
func parseBound(name string, values []string) (time.Time, error) {
	text, err := single(name, values)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	bound, err := time.Parse(time.RFC3339, text)
	if err != nil || bound.UTC().Year() < 1970 || bound.UTC().Year() > 9998 {
		return time.Time{}, fieldError(name, name+
			" must be a time such as 2026-03-04T12:00:00Z (RFC 3339), in the years 1970 to 9998")
	}
	return bound.Add(time.Microsecond - 1).UTC().Truncate(time.Microsecond), nil
}

// parseFilter parses a text to find payments by.
func parseFilter(name string, values []string) (string, error) {
	text, err := single(name, values)
	if err == nil && len(text) > maxFilterBytes {
		err = fieldError(name, name+" must have at most "+strconv.Itoa(maxFilterBytes)+" bytes")
	}
	return text, err
}

func single(name string, values []string) (string, error) {
	if len(values) > 1 {
		return "", malformed(name + " must be given once only")
	}
	return values[0], nil
}
