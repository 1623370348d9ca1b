package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/delivery"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/internal/egress"
	"paymentd/ports"
)

type endpointsCommand struct {
	Create     createEndpointCommand  `cmd:"" help:"Create a webhook endpoint, which receives events of payments, and print the secret that signs them. It is not shown again."`
	List       listEndpointsCommand   `cmd:"" help:"List the webhook endpoints."`
	Disable    disableEndpointCommand `cmd:"" help:"Disable an endpoint: nothing is stored for it or delivered. What waits is kept."`
	Enable     enableEndpointCommand  `cmd:"" help:"Enable an endpoint that was disabled, or switched off because it failed: what waits is delivered."`
	Delete     deleteEndpointCommand  `cmd:"" help:"Delete an endpoint and, within an hour or two, its events."`
	Rotate     rotateEndpointCommand  `cmd:"" help:"Replace the secret of an endpoint, and print the new one. It is not shown again. Events are signed with both for a while."`
	Deliveries deliveriesCommand      `cmd:"" help:"List the events of an endpoint, newest first, with the receiver's latest answer; or the attempts to deliver them."`
	Replay     replayCommand          `cmd:"" help:"Deliver events of an endpoint again: one, or all since a time."`
}

// endpointJSON is an endpoint in --json.
type endpointJSON struct {
	ID           endpoint.ID       `json:"id"`
	URL          string            `json:"url"`
	Events       endpoint.Patterns `json:"events"`
	State        endpoint.State    `json:"state"`
	Secret       string            `json:"secret,omitempty"` // when it is created or rotated
	FailingSince *time.Time        `json:"failing_since,omitempty"`
	OverlapUntil *time.Time        `json:"overlap_until,omitempty"`
	CreatedAt    *time.Time        `json:"created_at,omitempty"`
}

func toEndpointJSON(e endpoint.Endpoint) endpointJSON {
	return endpointJSON{
		ID: e.ID, URL: e.URL, Events: e.Events, State: e.State, FailingSince: orNil(e.FailingSince),
		OverlapUntil: orNil(e.PreviousUntil), CreatedAt: orNil(e.CreatedAt),
	}
}

// orNil returns nil for the zero time, which JSON omits.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// printJSON prints one JSON value, indented.
func printJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// printSecret prints a new secret alone to the standard output, for a pipe into a store of secrets, or the endpoint with
// it as JSON.
func printSecret(s stdio, e endpoint.Endpoint, asJSON bool, about string) error {
	var err error
	if asJSON {
		out := toEndpointJSON(e)
		out.Secret = e.Secret.Reveal()
		err = printJSON(s.stdout, out)
	} else {
		_, _ = fmt.Fprint(s.stderr, about)
		_, err = fmt.Fprintln(s.stdout, e.Secret.Reveal())
	}
	if err != nil {
		return fmt.Errorf("the secret of endpoint %s was stored and could not be written: %w; make another one with `paymentd endpoints rotate %s`",
			e.ID, err, e.ID)
	}
	return nil
}

type createEndpointCommand struct {
	databaseFlags

	URL    string       `required:"" placeholder:"URL" help:"Address that events are posted to: https://, at a public address, unless its host is in PAYMENTD_ENDPOINTS_ALLOW; or for NATS JetStream tls:// or nats://HOST:PORT/SUBJECT."`
	Events string       `required:"" placeholder:"TYPE,..." help:"Types of events, separated by commas: such as payment.succeeded or refund.declined, all of a kind such as payment.*, or *."`
	Allow  egress.Hosts `name:"endpoints-allow" env:"PAYMENTD_ENDPOINTS_ALLOW" placeholder:"HOST,..." help:"PAYMENTD_ENDPOINTS_ALLOW of the service."`
	By     string       `env:"USER" default:"operator" help:"Your name; kept in the history."`
	JSON   bool         `name:"json" help:"Print the endpoint with its secret as JSON."`
}

// Validate checks the settings. kong calls it.
func (c *createEndpointCommand) Validate() error {
	if err := endpoint.CheckURL(c.URL); err != nil {
		return config.InvalidFlag("url", "%s", err)
	}
	if u, err := url.Parse(c.URL); err == nil {
		if err := c.Allow.Check(u); err != nil {
			return config.InvalidFlag("url", "%s", err)
		}
	}
	if _, err := endpoint.ParsePatterns(c.Events); err != nil {
		return config.InvalidFlag("events", "%s", err)
	}
	return c.databaseFlags.Validate()
}

func (c *createEndpointCommand) Run(ctx context.Context, s stdio) error {
	events, err := endpoint.ParsePatterns(c.Events)
	if err != nil {
		return err
	}
	e := endpoint.New(c.URL, events)
	e.CreatedBy = c.By
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		switch err := r.Endpoints().Create(ctx, e); {
		case errors.Is(err, ports.ErrInDoubt):
			return fmt.Errorf("%w; if `paymentd endpoints list` shows %s, delete it and create another one", err, e.ID)
		case err != nil:
			return err
		}
		return printSecret(s, e, c.JSON, fmt.Sprintf("The endpoint %s receives %s. Its secret is not shown again.\n"+
			"Running replicas store events for it within ten seconds.\n", e.ID, e.Events))
	})
}

type listEndpointsCommand struct {
	databaseFlags

	JSON bool `name:"json" help:"Print JSON: an object with the member endpoints."`
}

func (c *listEndpointsCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		list, err := r.Endpoints().Current(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			all := make([]endpointJSON, len(list.Endpoints))
			for i, e := range list.Endpoints {
				all[i] = toEndpointJSON(e)
			}
			return printJSON(s.stdout, map[string]any{"endpoints": all})
		}
		w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ID\tSTATE\tEVENTS\tURL\tCREATED\tFAILING SINCE")
		for _, e := range list.Endpoints {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.State, e.Events, e.URL, moment(e.CreatedAt), orDash(e.FailingSince))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return printUnreadable(s, list.Unreadable)
	})
}

// orDash formats a time that may be zero.
func orDash(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return moment(at)
}

// endpointArgument names an endpoint.
type endpointArgument struct {
	databaseFlags

	Endpoint endpoint.ID `arg:"" name:"endpoint" help:"Id of the endpoint: ep_ and 16 digits."`
}

// Validate checks the settings. kong calls it.
func (a *endpointArgument) Validate() error {
	if !a.Endpoint.IsValid() {
		return &argumentError{fmt.Sprintf("the id of an endpoint is ep_ and 16 hexadecimal digits, and not %q: `paymentd endpoints list` shows those that there are",
			a.Endpoint)}
	}
	return a.databaseFlags.Validate()
}

// require returns ports.ErrNoSuchEndpoint if there is no endpoint with the id, or it was deleted.
func (a *endpointArgument) require(ctx context.Context, r *app.Repository) error {
	list, err := r.Endpoints().Current(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list.Endpoints, func(e endpoint.Endpoint) bool { return e.ID == a.Endpoint }) ||
		slices.ContainsFunc(list.Unreadable, func(e *endpoint.StoredRowError) bool { return e.ID == a.Endpoint }) {
		return nil
	}
	return fmt.Errorf("endpoint %s: %w", a.Endpoint, ports.ErrNoSuchEndpoint)
}

// changedEndpoint names an endpoint, and the person who changes it.
type changedEndpoint struct {
	endpointArgument

	By string `env:"USER" default:"operator" help:"Your name; kept in the history."`
}

// setState changes the state of an endpoint, and prints it.
func (a *changedEndpoint) setState(ctx context.Context, s stdio, to endpoint.State) error {
	return a.withPayments(ctx, s, func(r *app.Repository) error {
		if err := a.require(ctx, r); err != nil {
			return err
		}
		e, err := r.Endpoints().Change(ctx, a.Endpoint, endpoint.Change{State: to, By: a.By})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.stdout, "%s is %s\n", e.ID, e.State)
		return err
	})
}

type disableEndpointCommand struct{ changedEndpoint }

func (c *disableEndpointCommand) Run(ctx context.Context, s stdio) error {
	return c.setState(ctx, s, endpoint.StateDisabled)
}

type enableEndpointCommand struct{ changedEndpoint }

func (c *enableEndpointCommand) Run(ctx context.Context, s stdio) error {
	return c.setState(ctx, s, endpoint.StateActive)
}

type deleteEndpointCommand struct{ changedEndpoint }

func (c *deleteEndpointCommand) Run(ctx context.Context, s stdio) error {
	return c.setState(ctx, s, endpoint.StateDeleted)
}

type rotateEndpointCommand struct {
	changedEndpoint

	Overlap time.Duration `default:"24h" help:"How long events are signed with the previous secret as well, at most 720h. 0 if it has leaked."`
	End     bool          `name:"end-overlap" help:"Rotate although the overlap of an earlier rotation is not over: the secret before that one signs no longer."`
	JSON    bool          `name:"json" help:"Print the endpoint with its new secret as JSON."`
}

// Validate checks the settings. kong calls it.
func (c *rotateEndpointCommand) Validate() error {
	if c.Overlap < 0 || c.Overlap > endpoint.MaxOverlap {
		return config.InvalidFlag("overlap", "must be 0 to %s", endpoint.MaxOverlap)
	}
	return c.changedEndpoint.Validate()
}

func (c *rotateEndpointCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		change := endpoint.Change{Secret: endpoint.NewSecret(), Overlap: c.Overlap, EndOverlap: c.End, By: c.By}
		e, err := r.Endpoints().Change(ctx, c.Endpoint, change)
		if _, overlaps := errors.AsType[*endpoint.OverlapError](err); overlaps {
			return fmt.Errorf("%w; rotate it afterwards, or give --end-overlap to cut off receivers that have not changed, or --overlap 0s if a secret has leaked", err)
		}
		if err != nil {
			return err
		}
		return printSecret(s, e, c.JSON, fmt.Sprintf("The new secret of %s. It is not shown again. The previous one signs as well for %s.\n",
			e.ID, c.Overlap))
	})
}

type replayCommand struct {
	changedEndpoint

	Event       payment.ChangeID `placeholder:"ID" xor:"what" required:"" help:"The event to deliver again, with the same id."`
	Since       string           `placeholder:"TIME" xor:"what" required:"" help:"Deliver again all events since this date or time, such as 2026-01-31T08:00:00Z; those of the last 30 days are kept."`
	Undelivered bool             `help:"With --since, only the events that were not delivered."`

	since time.Time
}

// Validate checks the settings. kong calls it.
func (c *replayCommand) Validate() (err error) {
	if c.Since != "" {
		if c.since, err = parseTime("since", c.Since); err != nil {
			return err
		}
	}
	if _, ok := c.Event.Sequence(); c.Event != "" && !ok {
		return config.InvalidFlag("event", "must be the id of an event, as `paymentd endpoints deliveries` lists it")
	}
	if c.Event != "" && c.Undelivered {
		return config.InvalidFlag("undelivered", "selects among the events since a time: leave it out with --event")
	}
	return c.changedEndpoint.Validate()
}

func (c *replayCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		if err := c.require(ctx, r); err != nil {
			return err
		}
		q := ports.ReplayQuery{Endpoint: c.Endpoint, Event: c.Event, Since: c.since, Undelivered: c.Undelivered}
		total, _, err := delivery.Replay(ctx, r.Outbox(), r.AdminHistory(), q, c.By, math.MaxInt)
		if err != nil {
			return fmt.Errorf("%w; %d events are delivered again", err, total)
		}
		if total == 0 && c.Event != "" {
			return fmt.Errorf("endpoint %s has no event %s: `paymentd endpoints deliveries %s` lists those that there are", c.Endpoint, c.Event, c.Endpoint)
		}
		_, err = fmt.Fprintf(s.stdout, "%d events are delivered again\n", total)
		return err
	})
}
