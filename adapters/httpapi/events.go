package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core"
)

const (
	// maxEventBytes bounds the body of an event. One of Stripe has a few KiB.
	maxEventBytes = 256 << 10
	// maxEvents bounds the concurrent requests with events, which do not use the slots of payments, because
	// no API key is needed to send them. Together they hold 16 MiB at most.
	maxEvents = 64
	// eventTimeout bounds the storing of an event. The gateway sends an event again that was not stored.
	eventTimeout = 5 * time.Second
	// eventLogInterval is the least time between two log lines about events of one gateway that are not acted on.
	eventLogInterval = time.Minute
	// otherGateway replaces the name of a gateway that receives no events.
	otherGateway = "other"
)

// Event is an event of a gateway, whose signature was verified.
type Event struct {
	core.GatewayEvent

	// Skipped is why the event is not acted on: [EventIgnored] or [EventOtherAccount]. Empty if it is.
	Skipped EventResult
}

// EventReader verifies the signature and the time of an event over its raw body, and reads it. The error is a
// sentence for the sender; the event may not be authentic. It must be safe for concurrent use.
type EventReader func(header http.Header, body []byte, now time.Time) (Event, error)

// EventResult is what happened to an event. Beside these, it is a [core.Notified].
type EventResult string

// What happened to an event that was not acted on.
const (
	EventIgnored      EventResult = "ignored"       // of a kind that says nothing about a charge, or not of ours
	EventOtherAccount EventResult = "other_account" // of another account, or of the other mode (live, test)
	EventRefused      EventResult = "refused"       // not authentic, or not readable, or beyond a limit
	EventFailed       EventResult = "failed"        // authentic, and could not be stored
)

// EventResults are all results.
func EventResults() []EventResult {
	return []EventResult{
		EventResult(core.NotifiedDue), EventResult(core.NotifiedKnown), EventResult(core.NotifiedUnknownOrder),
		EventResult(core.NotifiedUnknownKey),
		EventIgnored, EventOtherAccount, EventRefused, EventFailed,
	}
}

// events serves POST /gateways/:name/events. The signature authenticates the sender. The answer says only that
// the event was stored, or that there was nothing to store: the charge is looked up by the queue.
func (a *api) events(c echo.Context) error {
	read, known := a.options.Events[c.Param("name")]
	if !known {
		return refuse(problemNoEvents)
	}
	body, err := readBody(c, maxEventBytes)
	if err != nil {
		return err
	}
	event, err := read(c.Request().Header, body, time.Now())
	if err != nil {
		return refuse(problemEvent).withSentence(err.Error())
	}
	n := infoOf(c)
	n.verified, n.order = true, event.OrderID
	result := event.Skipped
	if result == "" {
		ctx, cancel := context.WithTimeout(c.Request().Context(), eventTimeout)
		defer cancel()
		notified, err := a.processor.Notify(ctx, event.GatewayEvent)
		if err != nil {
			return err
		}
		result = EventResult(notified)
	}
	if result == EventOtherAccount {
		a.eventLog.warn(c, c.Param("name"), "events of a gateway are of another account or mode than its settings: they are ignored",
			slog.String("event", event.Kind), slog.String("event_id", event.ID))
	}
	n.code = string(result)
	a.options.Observer.EventEnded(c.Param("name"), string(result))
	return a.respond(c, http.StatusOK, wire.EventStored{Status: wire.EventStoredStatusOk})
}

// limitEvents refuses a request if maxEvents requests with events are being served.
func (a *api) limitEvents(next echo.HandlerFunc) echo.HandlerFunc {
	slots := make(chan struct{}, min(maxEvents, a.options.MaxRequests))
	return func(c echo.Context) error {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			return next(c)
		default:
			return refuse(problemAtLimit)
		}
	}
}

// countEvents counts events that are not stored. Those whose signature was not verified have no log line of
// their own, because a sender without the secret can send any number of them.
func (a *api) countEvents(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if err == nil {
			return nil
		}
		gateway := c.Param("name")
		if _, known := a.options.Events[gateway]; !known {
			gateway = otherGateway
		}
		n := infoOf(c)
		if n.verified {
			a.options.Observer.EventEnded(gateway, string(EventFailed))
			return err
		}
		a.options.Observer.EventEnded(gateway, string(EventRefused))
		n.quiet = true
		refused := refusalOf(c.Request().Context(), err)
		a.eventLog.warn(c, gateway, "events of a gateway are refused: check its webhook secret, unless strangers send them",
			slog.Int("status", refused.status), slog.String("reason", refused.sentence),
			slog.String("client", a.options.TrustedProxies.ClientOf(c.Request()).String()))
		return err
	}
}

// eventLog writes at most one line in [eventLogInterval] for each message and gateway, of which there are few.
type eventLog struct {
	log *slog.Logger

	mu    sync.Mutex
	lines map[eventLine]*eventCount
}

type eventLine struct{ gateway, message string }

// eventCount counts the events of a line.
type eventCount struct {
	at    time.Time // of the latest line
	since int       // events since then
}

func newEventLog(log *slog.Logger) *eventLog {
	return &eventLog{log: log, lines: make(map[eventLine]*eventCount)}
}

// warn logs the message with how many events it is about, or counts the event for the next line.
func (l *eventLog) warn(c echo.Context, gateway, message string, attributes ...slog.Attr) {
	events, due := l.take(eventLine{gateway, message}, time.Now())
	if !due {
		return
	}
	attributes = append(attributes, slog.String("gateway", gateway), slog.Int("events", events))
	l.log.LogAttrs(context.WithoutCancel(c.Request().Context()), slog.LevelWarn, message, attributes...)
}

// take counts an event, and returns how many there were since the latest line, and whether a line is due.
func (l *eventLog) take(line eventLine, now time.Time) (events int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := l.lines[line]
	if count == nil {
		count = &eventCount{}
		l.lines[line] = count
	}
	count.since++
	if !count.at.IsZero() && now.Sub(count.at) < eventLogInterval {
		return 0, false
	}
	events, count.at, count.since = count.since, now, 0
	return events, true
}
