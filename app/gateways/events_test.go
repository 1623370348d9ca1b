package gateways_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpapi"
	"paymentd/adapters/httpgateway"
	"paymentd/adapters/squaregateway"
	"paymentd/adapters/stripegateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/app/gateways"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/filewatch"
	"paymentd/internal/standardwebhooks"
)

const notificationURL = "https://pay.example/gateways/square/events"

// secretText returns a secret of Standard Webhooks, which is one of Stripe and Square as well.
func secretText(fill string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))
}

// sender signs events as the gateways of a kind do.
type sender func(secret, body string, at time.Time) http.Header

var senders = map[string]sender{
	"http": func(secret, body string, at time.Time) http.Header {
		h := http.Header{}
		parsed, err := standardwebhooks.ParseSecret(secret)
		if err != nil {
			panic(err)
		}
		parsed.Sign(h, "evt-1", at, []byte(body))
		return h
	},
	"stripe": func(secret, body string, at time.Time) http.Header {
		return http.Header{stripegateway.SignatureHeader: {stripefake.Sign([]byte(body), secret, at)}}
	},
	"square": func(secret, body string, _ time.Time) http.Header {
		w := squaregateway.Webhook{SignatureKey: secret, NotificationURL: notificationURL}
		return http.Header{"X-Square-Hmacsha256-Signature": {w.Sign([]byte(body))}}
	},
}

// opened is an open gateway of a kind, whose events are signed with the secrets of a file.
type opened struct {
	t      *testing.T
	kind   string
	path   string
	files  *filewatch.Set
	log    *bytes.Buffer
	reader httpapi.EventReader
}

func openEvents(t *testing.T, kind string, change ...func(*gateways.Options)) (*opened, error) {
	t.Helper()
	folder := t.TempDir()
	o := &opened{t: t, kind: kind, path: filepath.Join(folder, "webhook"), log: &bytes.Buffer{}}
	o.files = filewatch.NewSet(slog.New(slog.NewTextHandler(o.log, nil)))
	o.write(secretText("a"))
	key := filepath.Join(folder, "key")
	require.NoError(t, os.WriteFile(key, []byte("sk_test_0123456789"), 0o600))
	options := gateways.Options{
		Timeout: time.Second, Connections: 1, ID: "shop", SecretFile: key, WebhookSecretFile: o.path, Account: "acct_1",
		Environment: "sandbox", Location: "L88917AVBK2S5", Log: slog.New(slog.DiscardHandler), Files: o.files,
	}
	switch kind {
	case "http":
		options.Address = "https://gateway.example"
	case "square":
		options.NotificationURL = notificationURL
	}
	for _, c := range change {
		c(&options)
	}
	k, found := gateways.FindName(kind)
	require.True(t, found)
	g, err := k.Open(options)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	o.reader = g.Events()
	return o, nil
}

func (o *opened) write(secrets ...string) {
	o.t.Helper()
	require.NoError(o.t, os.WriteFile(o.path, []byte(strings.Join(secrets, "\n")+"\n"), 0o600))
}

// read sends an event that is signed with the secret at the time.
func (o *opened) read(secret, body string, at time.Time) (httpapi.Event, error) {
	return o.reader(senders[o.kind](secret, body, at), []byte(body), time.Now())
}

// bodies are events of each kind about the charge key-1 of order-1. ORDER and KEY are replaced.
var bodies = map[string]struct{ paid, other, foreign string }{
	"http": {
		paid:  `{"type":"charge.succeeded","order_id":"ORDER","key":"KEY"}`,
		other: `{"type":"payout.paid","order_id":"ORDER","key":"KEY"}`,
	},
	"stripe": {
		paid: `{"id":"evt_1","object":"event","type":"payment_intent.succeeded","livemode":false,"data":{"object":{"object":"payment_intent",` +
			`"id":"pi_1","metadata":{"paymentd_key":"KEY","paymentd_order_id":"ORDER"}}}}`,
		other: `{"id":"evt_1","object":"event","type":"charge.dispute.created","livemode":false,"data":{"object":{"object":"dispute"}}}`,
		foreign: `{"id":"evt_1","object":"event","type":"payment_intent.succeeded","livemode":true,"data":{"object":{"object":"payment_intent",` +
			`"id":"pi_1","metadata":{"paymentd_key":"KEY","paymentd_order_id":"ORDER"}}}}`,
	},
	"square": {
		paid: `{"event_id":"evt-1","type":"payment.updated","data":{"object":{"payment":{"id":"p1","status":"COMPLETED",` +
			`"reference_id":"KEY","note":"ORDER","location_id":"L88917AVBK2S5"}}}}`,
		other: `{"event_id":"evt-1","type":"refund.created","data":{"object":{"refund":{"id":"r1"}}}}`,
		foreign: `{"event_id":"evt-1","type":"payment.updated","data":{"object":{"payment":{"id":"p1","status":"COMPLETED",` +
			`"reference_id":"KEY","note":"ORDER","location_id":"LOTHER"}}}}`,
	},
}

// An event about a refund says so, because its key is that of the refund.
func TestEvents_OfSquaresRefunds(t *testing.T) {
	t.Parallel()
	o, err := openEvents(t, "square")
	require.NoError(t, err)
	body := `{"event_id":"evt-1","type":"refund.updated","data":{"object":{"refund":{"id":"r1","payment_id":"p1","status":"COMPLETED",` +
		`"reason":"paymentd KEY ORDER","location_id":"L88917AVBK2S5"}}}}`
	e, err := o.read(secretText("a"), filled(body, "order-1", "key-1"), time.Now())
	require.NoError(t, err)
	require.Equal(t, httpapi.Event{GatewayEvent: core.GatewayEvent{
		ID: "evt-1", Kind: "refund.updated", Operation: payment.KindRefund, Gateway: "shop", OrderID: "order-1", Key: "key-1", Says: payment.FoundApproved,
	}}, e)
	for _, ignored := range []string{strings.Replace(body, "paymentd", "returned", 1), strings.Replace(body, "COMPLETED", "APPROVED", 1)} {
		e, err := o.read(secretText("a"), filled(ignored, "order-1", "key-1"), time.Now())
		require.NoError(t, err)
		require.Equal(t, httpapi.EventIgnored, e.Skipped, ignored)
	}
}

func filled(body, order, key string) string {
	return strings.NewReplacer("ORDER", order, "KEY", key).Replace(body)
}

func TestEvents_OfEachKind(t *testing.T) {
	t.Parallel()
	unsigned := map[string]error{
		"http": standardwebhooks.ErrUnsigned, "stripe": stripegateway.ErrEventUnsigned, "square": squaregateway.ErrSignature,
	}
	late := map[string]error{"http": standardwebhooks.ErrTime, "stripe": stripegateway.ErrEventTime}
	unreadable := map[string]error{"http": httpgateway.ErrEvent, "stripe": stripegateway.ErrEventBody, "square": squaregateway.ErrEvent}
	for kind, body := range bodies {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o, err := openEvents(t, kind)
			require.NoError(t, err)
			ours := secretText("a")
			e, err := o.read(ours, filled(body.paid, "order-1", "key-1"), time.Now())
			require.NoError(t, err)
			id := map[string]string{"http": "evt-1", "stripe": "evt_1", "square": "evt-1"}[kind]
			require.Equal(t, httpapi.Event{GatewayEvent: core.GatewayEvent{
				ID: id, Kind: e.Kind, Gateway: "shop", OrderID: "order-1", Key: "key-1", Says: payment.FoundApproved,
			}}, e)
			require.NotEmpty(t, e.Kind)

			for _, ignored := range []string{
				body.other, filled(body.paid, "an order", "key-1"), filled(body.paid, "order-1", strings.Repeat("k", 65)),
				filled(body.paid, "order-1", "a key"),
			} {
				e, err := o.read(ours, ignored, time.Now())
				require.NoError(t, err, ignored)
				require.Equal(t, httpapi.EventIgnored, e.Skipped, ignored)
			}
			if body.foreign != "" {
				e, err := o.read(ours, filled(body.foreign, "order-1", "key-1"), time.Now())
				require.NoError(t, err)
				require.Equal(t, httpapi.EventOtherAccount, e.Skipped)
			}
			_, err = o.read(secretText("b"), body.paid, time.Now())
			require.ErrorIs(t, err, unsigned[kind])
			_, err = o.reader(senders[kind](ours, body.paid, time.Now()), []byte(body.paid+" "), time.Now())
			require.ErrorIs(t, err, unsigned[kind], "the raw body is signed")
			_, err = o.read(ours, "[]", time.Now())
			require.ErrorIs(t, err, unreadable[kind])
			for _, offset := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
				_, err = o.read(ours, body.paid, time.Now().Add(offset))
				require.ErrorIs(t, err, late[kind], "Square signs no time")
			}
		})
	}
}

// An event of a refund names the kind of its operation, so that its key is looked for among the refunds.
func TestEvents_OfRefunds_NameTheOperation(t *testing.T) {
	t.Parallel()
	o, err := openEvents(t, "http")
	require.NoError(t, err)
	for kind, says := range map[string]payment.LookupResult{"refund.succeeded": payment.FoundApproved, "refund.returned": payment.FoundReturned} {
		e, err := o.read(secretText("a"), `{"type":"`+kind+`","order_id":"order-1","key":"key-2"}`, time.Now())
		require.NoError(t, err)
		require.Equal(t, httpapi.Event{GatewayEvent: core.GatewayEvent{
			ID: "evt-1", Kind: kind, Operation: payment.KindRefund, Gateway: "shop", OrderID: "order-1", Key: "key-2", Says: says,
		}}, e)
	}
}

// A secret can be replaced without a restart, and without a time in which either is refused.
func TestEvents_SecretIsReplaced(t *testing.T) {
	t.Parallel()
	for kind, body := range bodies {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, err := openEvents(t, kind)
				require.NoError(t, err)
				go o.files.Watch(t.Context())
				accepts := func(secret string) bool {
					_, err := o.read(secret, body.paid, time.Now())
					return err == nil
				}
				for _, step := range []struct {
					file     []string
					old, new bool
				}{
					{[]string{secretText("a")}, true, false},
					{[]string{secretText("a"), secretText("b")}, true, true},
					{[]string{secretText("b")}, false, true},
					{[]string{""}, false, true}, // cannot be used, so that the previous content remains
				} {
					o.write(step.file...)
					time.Sleep(3 * filewatch.Interval)
					synctest.Wait()
					require.Equal(t, step.old, accepts(secretText("a")), step.file)
					require.Equal(t, step.new, accepts(secretText("b")), step.file)
				}
				require.Contains(t, o.log.String(), "it must hold one or two signing secrets, one a line")
				require.NotContains(t, o.log.String(), "whsec_")
			})
		})
	}
}

func TestEvents_WithoutSecret_AreNotRead(t *testing.T) {
	t.Parallel()
	none := func(o *gateways.Options) { o.WebhookSecretFile, o.NotificationURL = "", "" }
	for kind := range bodies {
		o, err := openEvents(t, kind, none)
		require.NoError(t, err)
		require.Nil(t, o.reader, kind)
	}
	sandbox, err := openEvents(t, "sandbox", none, func(o *gateways.Options) { o.Address = "sandbox:" + filepath.Join(t.TempDir(), "ledger") })
	require.NoError(t, err)
	require.Nil(t, sandbox.reader)

	_, err = openEvents(t, "square", func(o *gateways.Options) { o.NotificationURL = "" })
	require.EqualError(t, err, "webhook_secret_file and notification_url go together")
}
