package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"paymentd/core/delivery"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

// endpointAct is what a person can do with an endpoint. A confirmation says what will happen before it is done.
type endpointAct struct {
	Name  string // in addresses
	Title string
	Will  []string
	Done  string // what the page says afterwards
	// offered reports whether the page of an endpoint in the state offers it.
	offered func(endpoint.State) bool
	do      func(*Console, *visit, endpoint.Endpoint) (*endpoint.Endpoint, error)
}

func always(endpoint.State) bool { return true }

// endpointActs are in the order in which the page offers them.
var endpointActs = []endpointAct{
	{
		Name: "disable", Title: "Switch off", Done: "The endpoint is switched off.",
		Will: []string{
			"Replicas stop delivering within ten seconds. What waits is kept, for 30 days.",
			"Events that happen while the endpoint is off are not stored for it, and are never delivered to it.",
		},
		offered: func(s endpoint.State) bool { return s == endpoint.StateActive },
		do:      setState(endpoint.StateDisabled),
	},
	{
		Name: "enable", Title: "Switch on", Done: "The endpoint is switched on.",
		Will: []string{
			"Events are stored for the endpoint and delivered within ten seconds. What waits is delivered as well.",
			"Events that happened while it was off are missing. A receiver finds out by asking for the payments.",
		},
		offered: func(s endpoint.State) bool { return s != endpoint.StateActive },
		do:      setState(endpoint.StateActive),
	},
	{
		Name: "rotate", Title: "Rotate the secret", Done: "The secret is rotated.",
		Will: []string{
			"A new secret is made and shown once. Events are signed with both secrets for the time that you choose, so that a receiver with either accepts them.",
			"Give the new secret to the receiver within that time. Choose none if the old one has leaked.",
		},
		offered: always,
		do:      (*Console).rotateSecret,
	},
	{
		Name: "replay", Title: "Deliver again", Done: "The events are delivered again.",
		Will: []string{
			"The events become due at once, with the ids that they had. A receiver that ignores what it has seen ignores them again.",
			"Their attempts are counted anew. While the endpoint is off, they wait.",
		},
		offered: always,
		do:      (*Console).replay,
	},
	{
		Name: "delete", Title: "Delete", Done: "The endpoint is deleted.",
		Will: []string{
			"Deliveries end within ten seconds. Its secrets are deleted at once, and its events within two hours.",
			"It cannot be undone. A new endpoint with the same URL has a new secret, and gets no earlier event.",
		},
		offered: always,
		do:      setState(endpoint.StateDeleted),
	},
}

// Offered returns the acts that the page offers for an endpoint.
func (v endpointView) Offered() (acts []endpointAct) {
	for _, a := range endpointActs {
		if a.offered(v.State) && a.Name != "replay" { // it has a form of its own
			acts = append(acts, a)
		}
	}
	return acts
}

func endpointActNamed(name string) (endpointAct, error) {
	for _, a := range endpointActs {
		if a.Name == name {
			return a, nil
		}
	}
	return endpointAct{}, problem(http.StatusNotFound, "there is no such page; follow one of the links above")
}

// doneText says what an act that is named in an address has done.
func doneText(name string) string {
	a, err := endpointActNamed(name)
	if err != nil {
		return ""
	}
	return a.Done
}

// endpointConfirmView is the page that asks before an act on an endpoint.
type endpointConfirmView struct {
	endpoint.Endpoint

	Act         endpointAct
	Path        string
	Event       string // of a replay
	Since       string
	Undelivered bool
	Attempts    []endpoint.Attempt // of the event, the latest first
	Problem     string
}

func (c *Console) confirmEndpoint(v *visit) error {
	a, err := endpointActNamed(v.Param("act"))
	if err != nil {
		return err
	}
	e, err := c.findEndpoint(v)
	if err != nil {
		return err
	}
	return c.renderEndpointConfirm(v, http.StatusOK, a, e, "")
}

func (c *Console) renderEndpointConfirm(v *visit, status int, a endpointAct, e endpoint.Endpoint, problem string) error {
	view := endpointConfirmView{
		Endpoint: e, Act: a, Path: endpointPath(e.ID), Problem: problem,
		Event: v.FormValue("event"), Since: v.FormValue("since"), Undelivered: v.FormValue("undelivered") != "",
	}
	event := payment.ChangeID(view.Event)
	if _, valid := event.Sequence(); valid && a.Name == "replay" {
		var err error
		q := ports.AttemptQuery{Endpoint: e.ID, Event: event, Limit: endpoint.MaxLoggedAttempts}
		if view.Attempts, err = c.options.Outbox.Attempts(v.Request().Context(), q); err != nil {
			return err
		}
	}
	return c.render(v, status, "endpoint_confirm", a.Title+"?", "endpoints", view)
}

// changeEndpoint does an act that was confirmed.
func (c *Console) changeEndpoint(v *visit) error {
	a, err := endpointActNamed(v.Param("act"))
	if err != nil {
		return err
	}
	e, err := c.findEndpoint(v)
	if err != nil {
		return err
	}
	rotated, err := a.do(c, v, e)
	if own, ok := errors.AsType[*problemError](err); ok {
		return c.renderEndpointConfirm(v, own.status, a, e, sentence(own.sentence))
	}
	if err != nil {
		return err
	}
	c.log.InfoContext(v.Request().Context(), "a webhook endpoint was changed in the console", "by", v.session.by(), "endpoint", e.ID, "act", a.Name)
	switch {
	case rotated != nil:
		return c.renderEndpoints(v, http.StatusOK, endpointsView{New: rotated, Rotated: true, Secret: rotated.Secret.Reveal()})
	case a.Name == "delete":
		return v.Redirect(http.StatusSeeOther, Root+"/endpoints")
	}
	return v.Redirect(http.StatusSeeOther, v.doneAt(endpointPath(e.ID), a.Name))
}

// setState returns an act that changes the state of an endpoint.
func setState(to endpoint.State) func(*Console, *visit, endpoint.Endpoint) (*endpoint.Endpoint, error) {
	return func(c *Console, v *visit, e endpoint.Endpoint) (*endpoint.Endpoint, error) {
		_, err := c.options.Endpoints.Change(v.Request().Context(), e.ID, endpoint.Change{State: to, By: v.session.by()})
		return nil, gone(err)
	}
}

// gone maps the error of a change of an endpoint that was deleted meanwhile.
func gone(err error) error {
	if errors.Is(err, ports.ErrNoSuchEndpoint) || errors.Is(err, endpoint.ErrDeleted) {
		return problem(http.StatusConflict, "the endpoint was deleted meanwhile; nothing was changed")
	}
	return err
}

// rotateSecret returns the endpoint with its new secret.
func (c *Console) rotateSecret(v *visit, e endpoint.Endpoint) (*endpoint.Endpoint, error) {
	overlap, err := time.ParseDuration(v.FormValue("overlap"))
	if err != nil || overlap < 0 || overlap > endpoint.MaxOverlap {
		return nil, problem(http.StatusUnprocessableEntity, "choose for how long the old secret signs as well")
	}
	change := endpoint.Change{
		Secret: endpoint.NewSecret(), Overlap: overlap, EndOverlap: v.FormValue("end_overlap") != "", By: v.session.by(),
	}
	e, err = c.options.Endpoints.Change(v.Request().Context(), e.ID, change)
	if overlaps, ok := errors.AsType[*endpoint.OverlapError](err); ok {
		return nil, problem(http.StatusConflict, "%s; wait until then, or confirm below that it signs no longer", overlaps)
	}
	return &e, gone(err)
}

// maxReplayPages bounds the events that one act delivers again: 50,000.
const maxReplayPages = 100

func (c *Console) replay(v *visit, e endpoint.Endpoint) (*endpoint.Endpoint, error) {
	q := ports.ReplayQuery{
		Endpoint: e.ID, Event: payment.ChangeID(strings.TrimSpace(v.FormValue("event"))), Undelivered: v.FormValue("undelivered") != "",
	}
	if q.Event == "" {
		since, err := parseDay(v.FormValue("since"))
		if err != nil || since.IsZero() {
			return nil, problem(http.StatusUnprocessableEntity, "say since when, as 2026-03-04T12:00")
		}
		q.Since = since
	} else if _, ok := q.Event.Sequence(); !ok {
		return nil, problem(http.StatusUnprocessableEntity, "that is not the id of an event; go back and choose one of the list")
	}
	n, next, err := c.replayEvents(v.Request().Context(), q, v.session.by())
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, problem(http.StatusConflict, "there is no such event; those of the last 30 days are kept")
	case next != 0:
		return nil, problem(http.StatusConflict, "%d events are delivered again, and there are more; repeat it with a later time, or run `paymentd endpoints replay`", n)
	}
	return nil, nil //nolint:nilnil // no secret was made
}

func (c *Console) replayEvents(ctx context.Context, q ports.ReplayQuery, by string) (n int, next int64, err error) {
	return delivery.Replay(ctx, c.options.Outbox, c.options.Acts, q, by, maxReplayPages)
}
