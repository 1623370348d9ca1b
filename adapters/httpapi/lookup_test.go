package httpapi_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return noon.Add(d) }

func knowing(h ports.History) *processor {
	return &processor{history: func(context.Context, payment.OrderID) (ports.History, error) { return h, nil }}
}

func TestLookUp_Succeeded(t *testing.T) {
	t.Parallel()
	first := payment.Attempt{
		Number: 1, Fence: 1, Replica: "a", GatewayKey: "key-1", StartedAt: at(0), EndedAt: at(250 * time.Millisecond),
		Class: payment.ClassNotCharged, Message: "connection refused <&>",
	}
	second := payment.Attempt{
		Number: 2, Fence: 1, Replica: "a", GatewayKey: "key-1", StartedAt: at(1250 * time.Millisecond),
		EndedAt: at(1250*time.Millisecond + 70*time.Microsecond + 9), Class: payment.ClassApproved, Code: "00",
	}
	p := knowing(ports.History{
		Payment: payment.Payment{
			OrderID: "order-123", Money: money(t, "100", "USD"), State: payment.StateSucceeded,
			GatewayKey: "key-1", Fence: 1, Replica: "a", Attempt: second, TransactionID: "txn-1",
			CreatedAt: at(0).In(time.FixedZone("", 3600)), UpdatedAt: at(1251 * time.Millisecond), SeenAt: at(time.Hour),
		},
		Attempts: []payment.Attempt{first, second},
	})
	got := serve(t, p).get("/payments/order-123?x=1")
	require.Equal(t, 200, got.status)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	got.requireBody(t, `{"order_id":"order-123","state":"succeeded","amount":"100.00","currency":"USD","capture":"automatic",`+
		`"transaction_id":"txn-1","created_at":"2026-03-04T12:00:00.000000Z","updated_at":"2026-03-04T12:00:01.251000Z",`+
		`"attempts":[`+
		`{"number":1,"started_at":"2026-03-04T12:00:00.000000Z","ended_at":"2026-03-04T12:00:00.250000Z",`+
		`"class":"not_charged","message":"connection refused <&>","gateway_key":"key-1","replica":"a","fence":1},`+
		`{"number":2,"started_at":"2026-03-04T12:00:01.250000Z","ended_at":"2026-03-04T12:00:01.250070Z",`+
		`"class":"approved","code":"00","gateway_key":"key-1","replica":"a","fence":1}],`+
		`"timeline":[`+
		`{"at":"2026-03-04T12:00:00.000000Z","kind":"created"},`+
		`{"at":"2026-03-04T12:00:00.000000Z","kind":"claimed","replica":"a","fence":1},`+
		`{"at":"2026-03-04T12:00:00.000000Z","kind":"attempt","replica":"a","fence":1,"attempt":1,"class":"not_charged","detail":"connection refused <&>"},`+
		`{"at":"2026-03-04T12:00:01.250000Z","kind":"attempt","replica":"a","fence":1,"attempt":2,"class":"approved"},`+
		`{"at":"2026-03-04T12:00:01.250070Z","kind":"settled","replica":"a","fence":1,"state":"succeeded"}],"captured":"100.00","refunded":"0.00","refundable":"100.00"}`)
}

// While a payment is being processed, its history has the attempts that began, and the time of the
// next one.
func TestLookUp_Processing_HasNextAttempt(t *testing.T) {
	t.Parallel()
	over := payment.Attempt{
		Number: 1, Fence: 1, Replica: "a", GatewayKey: "k", StartedAt: at(0), EndedAt: at(time.Second),
		Class: payment.ClassUnknownAnswered,
	}
	tests := []struct {
		name    string
		payment payment.Payment
		want    string
	}{
		{
			"an attempt under way",
			payment.Payment{
				State: payment.StateProcessing, Fence: 1, DueAt: at(time.Minute),
				Attempt: payment.Attempt{Number: 2, Fence: 1, Replica: "a", GatewayKey: "k", StartedAt: at(2 * time.Second)},
			},
			`"updated_at":"2026-03-04T12:00:03.000000Z","attempts":[{"number":1,"started_at":"2026-03-04T12:00:00.000000Z",` +
				`"ended_at":"2026-03-04T12:00:01.000000Z","class":"unknown_answered","gateway_key":"k","replica":"a","fence":1},` +
				`{"number":2,"started_at":"2026-03-04T12:00:02.000000Z","gateway_key":"k","replica":"a","fence":1}],`,
		},
		{
			"in backoff",
			payment.Payment{
				State: payment.StateProcessing, Fence: 1, DueAt: at(time.Minute),
				Attempt: payment.Attempt{Number: 2, Fence: 1, Replica: "a", GatewayKey: "k", StartedAt: at(6 * time.Second)},
			},
			`"next_attempt_at":"2026-03-04T12:00:06.000000Z","attempts":[{"number":1,"started_at":"2026-03-04T12:00:00.000000Z",` +
				`"ended_at":"2026-03-04T12:00:01.000000Z","class":"unknown_answered","gateway_key":"k","replica":"a","fence":1}],`,
		},
		{
			"scheduled",
			payment.Payment{State: payment.StateScheduled, Fence: 1, DueAt: at(9 * time.Second), Attempt: payment.Attempt{Number: 2}},
			`"next_attempt_at":"2026-03-04T12:00:09.000000Z","attempts":[{"number":1,`,
		},
		{
			"unresolved: the service asks, and does not charge",
			payment.Payment{State: payment.StateUnresolved, Fence: 1, DueAt: at(9 * time.Second), Attempt: payment.Attempt{Number: 2}},
			`"updated_at":"2026-03-04T12:00:03.000000Z","attempts":[{"number":1,`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := test.payment
			p.OrderID, p.Money, p.CreatedAt, p.UpdatedAt = "o", money(t, "1", "JPY"), at(0), at(3*time.Second)
			p.SeenAt = at(5 * time.Second)
			got := serve(t, knowing(ports.History{Payment: p, Attempts: []payment.Attempt{over, p.Attempt}})).get("/payments/o")
			require.Equal(t, 200, got.status)
			require.Contains(t, got.body, test.want)
		})
	}
}

func TestLookUp_NoAttempts(t *testing.T) {
	t.Parallel()
	p := payment.Payment{
		OrderID: "o", Money: money(t, "1", "JPY"), State: payment.StateScheduled, DueAt: at(0),
		Attempt: payment.Attempt{Number: 1}, CreatedAt: at(0), UpdatedAt: at(0), SeenAt: at(1),
	}
	got := serve(t, knowing(ports.History{Payment: p, Attempts: []payment.Attempt{p.Attempt}})).get("/payments/o")
	require.Contains(t, got.body, `"attempts":[],"timeline":[{"at":"2026-03-04T12:00:00.000000Z","kind":"created"}]}`)
}

func TestLookUp_EscapedOrderID_IsFound(t *testing.T) {
	t.Parallel()
	paths := map[string]payment.OrderID{
		"order-123":                 "order-123",
		"ORDER-123":                 "ORDER-123",
		"order%2F1":                 "order/1",
		"order%2f1":                 "order/1",
		".":                         ".",
		"..":                        "..",
		"%2E%2E":                    "..",
		"..%2F..%2Fetc":             "../../etc",
		"%25":                       "%",
		"%252F":                     "%2F",
		"%25%32%46":                 "%2F",
		"a%3Fb%23c":                 "a?b#c",
		"a;b":                       "a;b",
		"a+b":                       "a+b",
		"a%2Bb":                     "a+b",
		":order_id":                 ":order_id",
		"*":                         "*",
		"%2A":                       "*",
		"%7E%21":                    "~!",
		"processes":                 "processes",
		strings.Repeat("%2F", 128):  payment.OrderID(strings.Repeat("/", 128)),
		strings.Repeat("%41", 128):  payment.OrderID(strings.Repeat("A", 128)),
		url.PathEscape(`"<>\^{|}'`): `"<>\^{|}'`,
	}
	for path, id := range paths {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			p := &processor{}
			got := serve(t, p).raw("GET /payments/" + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
			require.Equal(t, 404, got.status)
			require.Equal(t, "there is no payment with this order id; order ids are case-sensitive", got.sentence(t))
			require.Equal(t, []payment.OrderID{id}, p.lookedUp)
		})
	}
}

func TestLookUp_DatabaseUnavailable_Returns503(t *testing.T) {
	t.Parallel()
	p := &processor{history: func(context.Context, payment.OrderID) (ports.History, error) {
		return ports.History{}, ports.ErrUnavailable
	}}
	got := serve(t, p).get("/payments/o")
	require.Equal(t, 503, got.status)
	require.Equal(t, "2", got.header.Get("Retry-After"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
}

// The keys are shown with what is proven about them, or omitted.
func TestLookUp_Keys_AreShown(t *testing.T) {
	t.Parallel()
	p := payment.Payment{
		OrderID: "o", Money: money(t, "1", "JPY"), State: payment.StateSucceeded, TransactionID: "txn-1",
		Gateway: "https://gateway.example", Attempt: payment.Attempt{Number: 1}, CreatedAt: at(0), UpdatedAt: at(0), SeenAt: at(1),
	}
	got := serve(t, knowing(ports.History{Payment: p, Keys: []payment.Key{
		{Key: "k-1", Gateway: "https://gateway.example", Closed: payment.ClosedCharged, ClosedAt: at(time.Second), TransactionID: "txn-2"},
		{Key: "k-2", DueAt: at(time.Minute)},
	}})).get("/payments/o")
	require.Equal(t, 200, got.status)
	require.Contains(t, got.body, `"gateway":"https://gateway.example","attempts":[]`)
	require.Contains(t, got.body, `"keys":[`+
		`{"gateway_key":"k-1","gateway":"https://gateway.example","closed":"charged","closed_at":"2026-03-04T12:00:01.000000Z",`+
		`"transaction_id":"txn-2"},`+
		`{"gateway_key":"k-2","next_lookup_at":"2026-03-04T12:01:00.000000Z"}],"captured":"1","refunded":"0","refundable":"1"}`)
}
