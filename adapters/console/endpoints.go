package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"paymentd/core/admin"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// endpointRow is a webhook endpoint in the list.
type endpointRow struct {
	endpoint.Endpoint

	Path string
	// Last is its newest event; nil if it has none.
	Last *deliveryRow
}

// endpointsView is the page of the webhook endpoints.
type endpointsView struct {
	Endpoints   []endpointRow
	Unreadable  int
	URL, Events string // of an endpoint that was not created
	Problem     string
	// New is the endpoint that was just created or whose secret was rotated, and Secret what signs its events. It is
	// shown once.
	New     *endpoint.Endpoint
	Rotated bool
	Secret  string
}

// deliveryRow is an event of an endpoint in the list of deliveries.
type deliveryRow struct {
	endpoint.Delivery

	Outcome string
	Tone    string
	Answer  string // of the receiver to the latest attempt
}

func newDeliveryRow(d endpoint.Delivery) deliveryRow {
	row := deliveryRow{Delivery: d, Outcome: string(d.Outcome), Tone: "good", Answer: "no attempt yet"}
	switch d.Outcome {
	case endpoint.OutcomeWaiting:
		row.Outcome, row.Tone = "waiting", "busy"
		if d.Attempts > 1 || d.Answer != (endpoint.Answer{}) {
			row.Tone = "doubt"
		}
	case endpoint.OutcomeFailed:
		row.Tone = "bad"
	case endpoint.OutcomeDelivered:
	}
	if text := answerText(d.Answer); text != "" {
		row.Answer = text
	}
	return row
}

// answerText describes what a receiver has answered; empty if it is not known yet.
func answerText(a endpoint.Answer) string {
	switch {
	case a.Problem != "":
		return a.Problem
	case a.Status == 0:
		return ""
	case a.Body != "":
		return strings.TrimSpace(strconv.Itoa(a.Status)+" "+http.StatusText(a.Status)) + ": " + a.Body
	}
	return strings.TrimSpace(strconv.Itoa(a.Status) + " " + http.StatusText(a.Status))
}

// endpointPath returns the path of an endpoint's page.
func endpointPath(id endpoint.ID) string { return Root + "/endpoints/" + url.PathEscape(string(id)) }

// endpointTone returns the colour of an endpoint's state.
func endpointTone(s endpoint.State) string {
	switch s {
	case endpoint.StateActive:
		return "good"
	case endpoint.StateSwitchedOff:
		return "bad"
	case endpoint.StateDisabled, endpoint.StateDeleted:
	}
	return ""
}

func (c *Console) showEndpoints(v *visit) error {
	return c.renderEndpoints(v, http.StatusOK, endpointsView{Events: "payment.succeeded,payment.declined,payment.failed,refund.*"})
}

func (c *Console) renderEndpoints(v *visit, status int, view endpointsView) error {
	ctx := v.Request().Context()
	list, err := c.options.Endpoints.Current(ctx)
	if err != nil {
		return err
	}
	view.Unreadable = len(list.Unreadable)
	for _, e := range list.Endpoints {
		row := endpointRow{Endpoint: e, Path: endpointPath(e.ID)}
		latest, err := c.options.Outbox.Deliveries(ctx, ports.DeliveryQuery{Endpoint: e.ID, Limit: 1})
		if err != nil {
			return err
		}
		if len(latest) > 0 {
			last := newDeliveryRow(latest[0])
			row.Last = &last
		}
		view.Endpoints = append(view.Endpoints, row)
	}
	return c.render(v, status, "endpoints", "Webhook endpoints", "endpoints", view)
}

// createEndpoint creates an endpoint and shows its secret, which only this response has.
func (c *Console) createEndpoint(v *visit) error {
	view := endpointsView{URL: strings.TrimSpace(v.FormValue("url")), Events: strings.TrimSpace(v.FormValue("events"))}
	refuse := func(text string) error {
		view.Problem = text
		return c.renderEndpoints(v, http.StatusUnprocessableEntity, view)
	}
	if err := endpoint.CheckURL(view.URL); err != nil {
		return refuse("The URL " + err.Error() + ".")
	}
	if u, err := url.Parse(view.URL); err == nil {
		if err := c.options.CheckEndpoint(u); err != nil {
			return refuse("The URL " + err.Error() + ".")
		}
	}
	events, err := endpoint.ParsePatterns(view.Events)
	if err != nil {
		return refuse("The types of events: " + sentence(err.Error()))
	}
	e := endpoint.New(view.URL, events)
	e.CreatedBy = v.session.by()
	switch err := c.options.Endpoints.Create(v.Request().Context(), e); {
	case errors.Is(err, ports.ErrTooManyEndpoints):
		return refuse("There are 32 endpoints, and there cannot be more. Delete some that are unused.")
	case err != nil:
		return err
	}
	c.log.InfoContext(v.Request().Context(), "a webhook endpoint was created in the console", "by", v.session.by(), "endpoint", e.ID)
	return c.renderEndpoints(v, http.StatusOK, endpointsView{New: &e, Secret: e.Secret.Reveal()})
}

// findEndpoint returns the endpoint in the path of a request.
func (c *Console) findEndpoint(v *visit) (endpoint.Endpoint, error) {
	list, err := c.options.Endpoints.Current(v.Request().Context())
	if err != nil {
		return endpoint.Endpoint{}, err
	}
	for _, e := range list.Endpoints {
		if string(e.ID) == v.Param("endpoint") {
			return e, nil
		}
	}
	return endpoint.Endpoint{}, problem(http.StatusNotFound, "there is no endpoint with this id, or it was deleted")
}

// endpointView is the page of one endpoint.
type endpointView struct {
	endpoint.Endpoint

	Path        string
	Waiting     int // events that wait, at most ports.MaxBacklog
	More        bool
	Oldest      string // age of the one that waits for the longest
	Outcome     string // of the filter
	Outcomes    []string
	Deliveries  []deliveryRow
	Next, First string
	Acts        []admin.Act
	Done        string
}

// deliveryOutcomes are the values of the filter of deliveries.
var deliveryOutcomes = []string{"waiting", "delivered", "failed"}

// deliveryQuery is the query in the address of an endpoint's page.
func deliveryQuery(e endpoint.Endpoint, q url.Values) (ports.DeliveryQuery, error) {
	query := ports.DeliveryQuery{Endpoint: e.ID, Limit: pageSize + 1}
	switch name := q.Get("outcome"); {
	case name == "waiting":
		query.Outcome = new(endpoint.OutcomeWaiting)
	case slices.Contains(deliveryOutcomes, name):
		query.Outcome = new(endpoint.Outcome(name))
	case name != "":
		return query, problem(http.StatusBadRequest, "the outcome must be waiting, delivered or failed")
	}
	if after := q.Get("after"); after != "" {
		number, order, _ := strings.Cut(after, " ")
		sequence, err := strconv.ParseInt(number, 10, 64)
		if err != nil || len(order) > payment.MaxOrderIDBytes {
			return query, problem(http.StatusBadRequest, "the address of this page is incomplete; begin with the first page")
		}
		query.Before, query.BeforeOrder = sequence, payment.OrderID(order)
	}
	return query, nil
}

// showEndpoint serves the page of one endpoint, with its deliveries.
func (c *Console) showEndpoint(v *visit) error {
	e, err := c.findEndpoint(v)
	if err != nil {
		return err
	}
	ctx, q := v.Request().Context(), v.QueryParams()
	query, err := deliveryQuery(e, q)
	if err != nil {
		return err
	}
	deliveries, err := c.options.Outbox.Deliveries(ctx, query)
	if err != nil {
		return err
	}
	view := endpointView{Endpoint: e, Path: endpointPath(e.ID), Outcome: q.Get("outcome"), Outcomes: deliveryOutcomes, Done: doneText(v.done())}
	if len(deliveries) > pageSize {
		deliveries = deliveries[:pageSize]
		last := deliveries[pageSize-1]
		view.Next = pageAfter(view.Path, q, strconv.FormatInt(last.Sequence, 10)+" "+string(last.OrderID))
	}
	if q.Get("after") != "" {
		view.First = pageAfter(view.Path, q, "")
	}
	for _, d := range deliveries {
		view.Deliveries = append(view.Deliveries, newDeliveryRow(d))
	}
	return c.renderEndpoint(ctx, v, view)
}

func (c *Console) renderEndpoint(ctx context.Context, v *visit, view endpointView) error {
	waiting, oldest, err := c.options.Outbox.Waiting(ctx, view.ID)
	if err != nil {
		return err
	}
	view.Waiting, view.More, view.Oldest = waiting, waiting >= ports.MaxBacklog, brief(oldest)
	if view.Acts, err = c.options.Acts.List(ctx, ports.AdminQuery{Subject: string(view.ID), Limit: recentActs}); err != nil {
		return err
	}
	return c.render(v, http.StatusOK, "endpoint", "Endpoint "+string(view.ID), "endpoints", view)
}

// recentActs is how many acts the page of an endpoint has.
const recentActs = 10
