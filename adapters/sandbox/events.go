package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"paymentd/core/payment"
	"paymentd/internal/standardwebhooks"
)

const (
	maxQueuedEvents  = 1024 // further events are dropped
	maxDeliveries    = 10   // of one event
	firstRedelivery  = time.Second
	maxRedelivery    = time.Minute
	deliveryTimeout  = 10 * time.Second
	maxDeliveryBytes = 64 << 10 // of an answer; the rest is not read
	deliveryWorkers  = 8
)

// WithEvents sends an event to the URL for each decision of a charge or another operation, as docs/gateway-protocol.md describes,
// signed with the secret. An event is sent again until it is answered with 2xx, up to ten times; events that
// were not delivered are lost when the sandbox stops.
func WithEvents(address string, secret standardwebhooks.Secret) Option {
	return func(g *Gateway) {
		g.events = &events{
			address: address, secret: secret, queue: make(chan *eventOut, maxQueuedEvents),
			client: &http.Client{
				Timeout:       deliveryTimeout,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
		}
	}
}

// CheckEventsURL checks an address for [WithEvents]. The error continues the name of a setting.
func CheckEventsURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("must be an http:// or https:// address, such as http://127.0.0.1:3000/gateways/http/events")
	}
	return nil
}

// events sends events.
type events struct {
	address string
	secret  standardwebhooks.Secret
	queue   chan *eventOut
	client  *http.Client
}

// eventOut is an event that is to be sent.
type eventOut struct {
	id     string
	body   []byte
	stored *ledgerLine // the decision, which is synced before the event is sent
}

// eventBody is the body of an event.
type eventBody struct {
	Type    string `json:"type"`
	Key     string `json:"key"`
	OrderID string `json:"order_id"`
}

// cancelPrefix begins the key of a void that cancels a pending charge, and is no operation of the service.
const cancelPrefix = "void-"

// notify queues an event about the decision of an operation. The caller holds g.mu.
func (g *Gateway) notify(e *entry) {
	if g.events == nil || e.charge.Operation.Kind == payment.KindVoid && strings.HasPrefix(string(e.charge.Key), cancelPrefix) {
		return
	}
	subject := cmp.Or(string(e.charge.Operation.Kind), "charge") + "."
	body, _ := json.Marshal(eventBody{ //nolint:errchkjson // strings always encode
		Type: subject + e.status, Key: string(e.charge.Key), OrderID: e.charge.OrderID.String(),
	})
	select {
	case g.events.queue <- &eventOut{id: "evt-" + uuid.NewString(), body: body, stored: e.stored}:
	default:
		g.log.Warn("an event is dropped, because too many wait to be sent", "order_id", e.charge.OrderID)
	}
}

// sendEvents sends the queued events until the sandbox is closed.
func (g *Gateway) sendEvents() {
	if g.events == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.sending.Go(func() {
		<-g.closing
		cancel()
	})
	for range deliveryWorkers {
		g.sending.Go(func() {
			for {
				select {
				case e := <-g.events.queue:
					g.deliver(ctx, e)
				case <-g.closing:
					return
				}
			}
		})
	}
}

// deliver sends an event until it is accepted.
func (g *Gateway) deliver(ctx context.Context, e *eventOut) {
	if !g.await(ctx, e.stored.done) || e.stored.err != nil {
		return
	}
	pause := firstRedelivery
	for range maxDeliveries {
		err := g.events.send(ctx, e)
		if err == nil || ctx.Err() != nil {
			return
		}
		g.log.Warn("an event was not accepted; it is sent again later", "event_id", e.id, "error", err)
		over := make(chan struct{})
		timer := time.AfterFunc(pause, func() { close(over) })
		if !g.await(ctx, over) {
			timer.Stop()
			return
		}
		pause = min(2*pause, maxRedelivery)
	}
	g.log.Error("an event was never accepted; it is not sent again", "event_id", e.id)
}

// send makes one delivery.
func (s *events) send(ctx context.Context, e *eventOut) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address, bytes.NewReader(e.body))
	if err != nil {
		return fmt.Errorf("build the request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	s.secret.Sign(r.Header, e.id, time.Now(), e.body)
	response, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("send the event: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	_, _ = io.CopyN(io.Discard, response.Body, maxDeliveryBytes)
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the answer was %s", response.Status)
	}
	return nil
}
