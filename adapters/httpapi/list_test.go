package httpapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// holding lists these payments, which are given newest first, as a repository does.
func holding(payments []payment.Payment) *processor {
	return &processor{list: func(_ context.Context, q ports.ListQuery) (page ports.ListPage, err error) {
		for _, p := range payments {
			older := q.AfterOrderID == "" || p.CreatedAt.Before(q.AfterCreatedAt) ||
				p.CreatedAt.Equal(q.AfterCreatedAt) && p.OrderID < q.AfterOrderID
			early := p.CreatedAt.Before(q.CreatedFrom)
			late := !q.CreatedBefore.IsZero() && !p.CreatedAt.Before(q.CreatedBefore)
			if !older || early || late || len(q.States) > 0 && !slices.Contains(q.States, p.State) {
				continue
			}
			if len(page.Payments) == q.Limit {
				last := page.Payments[q.Limit-1]
				page.NextCreatedAt, page.NextOrderID = last.CreatedAt, last.OrderID
				break
			}
			page.Payments = append(page.Payments, p)
		}
		return page, nil
	}}
}

// many returns n payments, newest first, two of each creation time.
func many(t *testing.T, n int) []payment.Payment {
	t.Helper()
	var payments []payment.Payment
	for i := range n {
		payments = append(payments, payment.Payment{
			OrderID: payment.OrderID(fmt.Sprintf("order/%03d", n-i)), Money: money(t, "9.90", "USD"),
			State:     payment.States()[i%len(payment.States())],
			CreatedAt: at(-time.Duration(i/2) * time.Nanosecond), UpdatedAt: at(0), SeenAt: at(1),
		})
	}
	return payments
}

type page struct {
	Payments   []map[string]any `json:"payments"`
	NextCursor string           `json:"next_cursor"`
}

func (s *service) page(query string) page {
	s.t.Helper()
	got := s.get("/payments?" + query)
	require.Equal(s.t, 200, got.status, got.body)
	return decodePage(s.t, got)
}

func decodePage(t *testing.T, got answer) (p page) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(got.body), &p))
	return p
}

func TestList_Response_ByteForByte(t *testing.T) {
	t.Parallel()
	payments := many(t, 3)
	payments[0].State, payments[0].DueAt = payment.StateScheduled, at(time.Second)
	payments[1].State, payments[1].Code, payments[1].Reason = payment.StateDeclined, "card_declined", "no <&>"
	payments[2].State, payments[2].TransactionID = payment.StateSucceeded, "txn-1"
	const times = `"created_at":"2026-03-04T12:00:00.000000Z","updated_at":"2026-03-04T12:00:00.000000Z"`
	serve(t, holding(payments)).get("/payments").requireBody(t, `{"payments":[`+
		`{"order_id":"order/003","state":"scheduled","amount":"9.90","currency":"USD","capture":"automatic",`+times+`,"next_attempt_at":"2026-03-04T12:00:01.000000Z"},`+
		`{"order_id":"order/002","state":"declined","amount":"9.90","currency":"USD","capture":"automatic","code":"card_declined","reason":"no <&>",`+times+`},`+
		`{"order_id":"order/001","state":"succeeded","amount":"9.90","currency":"USD","capture":"automatic","transaction_id":"txn-1",`+
		`"created_at":"2026-03-04T11:59:59.999999Z","updated_at":"2026-03-04T12:00:00.000000Z"}]}`)
	serve(t, holding(nil)).get("/payments").requireBody(t, `{"payments":[]}`)
}

func TestList_AllPages_HaveEachPaymentOnce(t *testing.T) {
	t.Parallel()
	payments := many(t, 101)
	s := serve(t, holding(payments))
	for _, limit := range []int{1, 2, 7, 50, 100, 101, 102, 200} {
		for _, filter := range []string{"", "&state=declined&state=failed"} {
			var want, got []any
			for _, p := range payments {
				if filter == "" || p.State == payment.StateDeclined || p.State == payment.StateFailed {
					want = append(want, string(p.OrderID))
				}
			}
			pages, cursor := 0, ""
			for {
				p := s.page(fmt.Sprintf("limit=%d%s&cursor=%s", limit, filter, cursor))
				pages++
				require.LessOrEqual(t, len(p.Payments), limit)
				for _, one := range p.Payments {
					got = append(got, one["order_id"])
				}
				if cursor = p.NextCursor; cursor == "" {
					break
				}
			}
			require.Equal(t, want, got, "limit %d", limit)
			require.Equal(t, (len(want)+limit-1)/limit, pages, "an empty last page")
		}
	}
}

func TestList_NoParameters_UsesDefaults(t *testing.T) {
	t.Parallel()
	p := holding(many(t, 60))
	s := serve(t, p)
	require.Len(t, s.page("state=&limit=&cursor=").Payments, 50)
	require.Equal(t, []ports.ListQuery{{Limit: 50}}, p.listed)
}

func TestList_InvalidParameter_IsRefused(t *testing.T) {
	t.Parallel()
	const (
		badLimit  = "limit must be a whole number from 1 to 200"
		badState  = "state must be one of processing, scheduled, pending, authorized, succeeded, declined, failed, unresolved, voided"
		badCursor = "cursor must be a next_cursor of this list, with the same states, times, gateway and q"
		badQuery  = "the query string must be percent-encoded, with & between its parameters"
	)
	tests := map[string]string{
		"limit=0": badLimit, "limit=-1": badLimit, "limit=%2B1": badLimit, "limit=201": badLimit, "limit=1.0": badLimit,
		"limit=x": badLimit, "limit=+1": badLimit, "limit=99999999999999999999": badLimit, "limit=1_0": badLimit,
		"limit=0x10":          badLimit,
		"limit=1&limit=2":     "limit must be given once only",
		"state=Failed":        badState,
		"state=failed,failed": badState,
		"state=failed%00":     badState,
		"state=failed&state=declined&state=failed": "state must name each state once only",
		"sate=failed":       `the parameter "sate" is not known; use state, gateway, created_from, created_before, q, limit or cursor`,
		"State=failed":      `the parameter "State" is not known; use state, gateway, created_from, created_before, q, limit or cursor`,
		"%00%22=1":          `the parameter "\x00\"" is not known; use state, gateway, created_from, created_before, q, limit or cursor`,
		"a&b&limit=x":       `the parameter "a" is not known; use state, gateway, created_from, created_before, q, limit or cursor`,
		"=":                 `the parameter "" is not known; use state, gateway, created_from, created_before, q, limit or cursor`,
		"limit=1;a=b":       badQuery,
		"limit=%zz":         badQuery,
		"cursor=x":          badCursor,
		"cursor=AQ":         badCursor,
		"cursor=%2F":        badCursor,
		"cursor=a&cursor=b": "cursor must be given once only",
		"cursor=" + url.QueryEscape(base64.RawURLEncoding.EncodeToString(make([]byte, 200))): badCursor,
	}
	p := &processor{}
	s := serve(t, p)
	for query, sentence := range tests {
		got := s.get("/payments?" + query)
		require.Equal(t, 400, got.status, query)
		require.Equal(t, sentence, got.sentence(t), query)
	}
	p.requireUntouched(t)
}

// A cursor is refused if any bit was changed, if it was truncated, or if it belongs to another
// list.
func TestCursor_Changed_IsRefused(t *testing.T) {
	t.Parallel()
	p := holding(many(t, 3))
	s := serve(t, p)
	cursor := s.page("limit=1&state=processing&state=scheduled").NextCursor
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	refused := func(query string) {
		t.Helper()
		got := s.get("/payments?" + query)
		require.Equal(t, 400, got.status, query)
		require.Equal(t, "cursor must be a next_cursor of this list, with the same states, times, gateway and q", got.sentence(t))
	}
	for bit := range len(raw) * 8 {
		changed := slices.Clone(raw)
		changed[bit/8] ^= 1 << (bit % 8)
		refused("state=processing&state=scheduled&cursor=" + base64.RawURLEncoding.EncodeToString(changed))
	}
	for end := 1; end < len(cursor); end++ {
		refused("state=processing&state=scheduled&cursor=" + cursor[:end])
	}
	refused("state=processing&state=scheduled&cursor=" + cursor + "=")
	refused("state=processing&state=scheduled&cursor=" + cursor + "AAAA")
	require.Len(t, s.page("state=scheduled&cursor="+cursor+"&limit=1&state=processing").Payments, 1)
	refused("cursor=" + cursor)
	refused("state=processing&cursor=" + cursor)
	refused("state=processing&state=failed&cursor=" + cursor)
	require.Len(t, p.listed, 2)
}

// The checksum can be forged, so its content is validated as well.
func TestCursor_Forged_IsRefused(t *testing.T) {
	t.Parallel()
	p := holding(nil)
	s := serve(t, p)
	forge := func(cursor string) string {
		sum := sha256.Sum256([]byte(cursor))
		return base64.RawURLEncoding.EncodeToString(append([]byte(cursor), sum[:8]...))
	}
	require.Equal(t, 200, s.get("/payments?cursor="+forge("\x01\x00order/1")).status)
	for _, cursor := range []string{
		"", "\x01", "\x01\x00", "\x03\x00order/1", "\x01\x00" + strings.Repeat("x", 129),
		"\x01\x80", "\x01" + strings.Repeat("\xff", 10) + "order/1",
	} {
		require.Equal(t, 400, s.get("/payments?cursor="+forge(cursor)).status, "%q", cursor)
	}
	require.Equal(t, []ports.ListQuery{
		{Limit: 50, AfterCreatedAt: time.Unix(0, 0).UTC(), AfterOrderID: "order/1"},
	}, p.listed)
}

func TestList_DatabaseUnavailable_Returns503(t *testing.T) {
	t.Parallel()
	got := serve(t, &processor{list: func(context.Context, ports.ListQuery) (ports.ListPage, error) {
		return ports.ListPage{}, ports.ErrUnavailable
	}}).get("/payments")
	require.Equal(t, 503, got.status)
	require.Equal(t, "2", got.header.Get("Retry-After"))
}
