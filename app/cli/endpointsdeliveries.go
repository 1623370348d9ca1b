package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

type deliveriesCommand struct {
	endpointArgument

	Outcome string `enum:"all,waiting,delivered,failed" default:"all" help:"Events with this outcome: all, waiting, delivered or failed (given up)."`
	Limit   int    `default:"100" help:"How many events or attempts to list at most."`

	Attempts bool             `xor:"attempts" help:"List attempts instead of events, the latest first: when, how long, status, and the answer or the error."`
	Event    payment.ChangeID `xor:"attempts" placeholder:"ID" help:"List the attempts to deliver this event, the latest first."`

	JSON bool `name:"json" help:"Print JSON: an object with the member deliveries, or attempts."`
}

// maxDeliveries bounds a list of events.
const maxDeliveries = 10_000

// Validate checks the settings. kong calls it.
func (c *deliveriesCommand) Validate() error {
	if c.Limit < 1 || c.Limit > maxDeliveries {
		return config.InvalidFlag("limit", "must be 1 to %d", maxDeliveries)
	}
	if _, ok := c.Event.Sequence(); c.Event != "" && !ok {
		return config.InvalidFlag("event", "must be the id of an event, as `paymentd endpoints deliveries` lists it")
	}
	if c.Outcome != "all" && (c.Attempts || c.Event != "") {
		return config.InvalidFlag("outcome", "selects events: leave it out with --attempts and --event")
	}
	return c.endpointArgument.Validate()
}

// deliveryJSON is an event in --json.
type deliveryJSON struct {
	EventID     payment.ChangeID   `json:"event_id"`
	Type        payment.ChangeType `json:"type"`
	OrderID     payment.OrderID    `json:"order_id"`
	Outcome     string             `json:"outcome"`
	Attempts    int                `json:"attempts"`
	Status      int                `json:"status,omitempty"`
	Answer      string             `json:"answer,omitempty"`
	Problem     string             `json:"problem,omitempty"`
	CreatedAt   *time.Time         `json:"created_at"`
	AttemptedAt *time.Time         `json:"attempted_at,omitempty"`
	NextAt      *time.Time         `json:"next_at,omitempty"`
}

func outcomeName(o endpoint.Outcome) string {
	if o == endpoint.OutcomeWaiting {
		return "waiting"
	}
	return string(o)
}

func (c *deliveriesCommand) Run(ctx context.Context, s stdio) error {
	if c.Attempts || c.Event != "" {
		return c.listAttempts(ctx, s)
	}
	q := ports.DeliveryQuery{Endpoint: c.Endpoint, Limit: c.Limit}
	if c.Outcome != "all" {
		for _, o := range []endpoint.Outcome{endpoint.OutcomeWaiting, endpoint.OutcomeDelivered, endpoint.OutcomeFailed} {
			if outcomeName(o) == c.Outcome {
				q.Outcome = &o
			}
		}
	}
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		if err := c.require(ctx, r); err != nil {
			return err
		}
		deliveries, err := r.Outbox().Deliveries(ctx, q)
		if err != nil {
			return err
		}
		if c.JSON {
			all := make([]deliveryJSON, len(deliveries))
			for i, d := range deliveries {
				all[i] = deliveryJSON{
					EventID: d.Event, Type: d.Type, OrderID: d.OrderID, Outcome: outcomeName(d.Outcome), Attempts: d.Attempts,
					Status: d.Answer.Status, Answer: d.Answer.Body, Problem: d.Answer.Problem,
					CreatedAt: orNil(d.CreatedAt), AttemptedAt: orNil(d.AttemptedAt), NextAt: orNil(d.DueAt),
				}
			}
			return printJSON(s.stdout, map[string]any{"deliveries": all})
		}
		return writeDeliveries(s.stdout, deliveries)
	})
}

// maxAnswerColumn bounds the column of answers in the table, in bytes.
const maxAnswerColumn = 60

func writeDeliveries(to io.Writer, deliveries []endpoint.Delivery) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "EVENT\tTYPE\tORDER\tOUTCOME\tATTEMPTS\tCREATED\tNEXT\tSTATUS\tANSWER")
	for _, d := range deliveries {
		status, answer := answerColumns(d.Answer)
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%.*s\n", d.Event, d.Type, d.OrderID, outcomeName(d.Outcome), d.Attempts,
			moment(d.CreatedAt), orDash(d.DueAt), status, maxAnswerColumn, answer)
	}
	return w.Flush()
}

// attemptJSON is an attempt to deliver an event in --json.
type attemptJSON struct {
	EventID    payment.ChangeID   `json:"event_id"`
	Type       payment.ChangeType `json:"type"`
	OrderID    payment.OrderID    `json:"order_id"`
	Number     int64              `json:"number"`
	EndedAt    *time.Time         `json:"ended_at"`
	DurationMS float64            `json:"duration_ms"`
	Status     int                `json:"status,omitempty"`
	Answer     string             `json:"answer,omitempty"`
	Problem    string             `json:"problem,omitempty"`
}

// listAttempts lists the attempts to deliver one event, or those of all.
func (c *deliveriesCommand) listAttempts(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		if err := c.require(ctx, r); err != nil {
			return err
		}
		attempts, err := r.Outbox().Attempts(ctx, ports.AttemptQuery{Endpoint: c.Endpoint, Event: c.Event, Limit: c.Limit})
		if err != nil {
			return err
		}
		if !c.JSON {
			return writeAttempts(s.stdout, attempts)
		}
		all := make([]attemptJSON, len(attempts))
		for i, a := range attempts {
			all[i] = attemptJSON{
				EventID: a.Event, Type: a.Type, OrderID: a.OrderID, Number: a.Number, EndedAt: orNil(a.EndedAt),
				DurationMS: float64(a.Duration.Microseconds()) / 1000,
				Status:     a.Answer.Status, Answer: a.Answer.Body, Problem: a.Answer.Problem,
			}
		}
		return printJSON(s.stdout, map[string]any{"attempts": all})
	})
}

func writeAttempts(to io.Writer, attempts []endpoint.Attempt) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "EVENT\tTYPE\tORDER\tNUMBER\tENDED\tDURATION\tSTATUS\tANSWER")
	for _, a := range attempts {
		status, answer := answerColumns(a.Answer)
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%.*s\n", a.Event, a.Type, a.OrderID, a.Number, moment(a.EndedAt),
			a.Duration.Round(time.Millisecond), status, maxAnswerColumn, answer)
	}
	return w.Flush()
}

// answerColumns returns the status, or a dash, and the answer or why there was none.
func answerColumns(a endpoint.Answer) (status, answer string) {
	status, answer = "-", a.Body
	if a.Problem != "" {
		answer = a.Problem
	}
	if a.Status != 0 {
		status = strconv.Itoa(a.Status)
	}
	return status, answer
}
