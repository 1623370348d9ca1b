package httpapi_test

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// A payment is in the range that begins at its creation time, and not in the range that ends then.
func TestList_Range(t *testing.T) {
	t.Parallel()
	var payments []payment.Payment
	for i, id := range []payment.OrderID{"c", "b", "a"} {
		payments = append(payments, payment.Payment{
			OrderID: id, Money: money(t, "1", "USD"), State: payment.StateFailed,
			CreatedAt: at(time.Duration(2-i) * time.Microsecond),
		})
	}
	for query, want := range map[string][]any{
		"created_from=2026-03-04T12:00:00.000001Z":                                               {"c", "b"},
		"created_before=2026-03-04T12:00:00.000001Z":                                             {"a"},
		"created_from=2026-03-04T12:00:00Z&created_before=2026-03-04T12:00:00.000002Z":           {"b", "a"},
		"created_from=2026-03-04T13:00:00.000001%2B01:00":                                        {"c", "b"},
		"created_from=2026-03-04T12:00:00.0000001Z":                                              {"c", "b"},
		"created_before=2026-03-04T12:00:00.0000001Z":                                            {"a"},
		"created_from=2026-03-04T12:00:00.000002Z&created_before=2026-03-04T12:00:00.000002Z":    nil,
		"created_from=&created_before=":                                                          {"c", "b", "a"},
		"created_from=1970-01-01T00:00:00Z&created_before=9998-12-31T23:59:59Z&state=failed":     {"c", "b", "a"},
		"created_from=2026-03-04T12:00:00Z&created_before=2026-03-04T12:00:00.000001Z&state=":    {"a"},
		"created_from=2026-03-05T12:00:00Z&created_before=2026-03-04T12:00:00.000001Z&limit=200": nil,
	} {
		var got []any
		for _, one := range serve(t, holding(payments)).page(query).Payments {
			got = append(got, one["order_id"])
		}
		require.Equal(t, want, got, query)
	}
}

func TestList_InvalidRange_IsRefused(t *testing.T) {
	t.Parallel()
	p := &processor{}
	s := serve(t, p)
	for _, name := range []string{"created_from", "created_before"} {
		for _, value := range []string{
			"yesterday", "0", "2026-03-04", "2026-03-04 12:00:00Z", "2026-03-04T12:00:00", "2026-03-04T12:00:00+01:00",
			"2026-02-29T12:00:00Z", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "\x00",
		} {
			escaped := url.QueryEscape(value)
			if value == "2026-03-04T12:00:00+01:00" {
				escaped = value // + is decoded as a space
			}
			got := s.get("/payments?" + name + "=" + escaped)
			require.Equal(t, 400, got.status, value)
			require.Equal(t, name+" must be a time such as 2026-03-04T12:00:00Z (RFC 3339), in the years 1970 to 9998",
				got.sentence(t))
		}
		got := s.get("/payments?" + name + "=2026-03-04T12:00:00Z&" + name + "=2026-03-04T12:00:00Z")
		require.Equal(t, name+" must be given once only", got.sentence(t))
	}
	p.requireUntouched(t)
}

// A cursor is valid for its range only, as for its states.
func TestCursor_OtherRange_IsRefused(t *testing.T) {
	t.Parallel()
	p := holding(many(t, 3))
	s := serve(t, p)
	const from, before = "&created_from=2026-03-04T11:00:00Z", "&created_before=2026-03-04T13:00:00Z"
	for _, list := range []string{"", from, before, from + before} {
		cursor := s.page("limit=1" + list).NextCursor
		for _, other := range []string{"", from, before, from + before, "&created_from=2026-03-04T11:00:01Z"} {
			want := 400
			if other == list {
				want = 200
			}
			require.Equal(t, want, s.get("/payments?cursor="+cursor+other).status, "%q to %q", list, other)
		}
	}
}

// Payments that are created between two pages do not shift the following pages.
func TestCursor_InsertsMeanwhile_ShiftNothing(t *testing.T) {
	t.Parallel()
	payments := many(t, 9)
	var p processor
	p.list = func(ctx context.Context, q ports.ListQuery) (ports.ListPage, error) {
		return holding(payments).list(ctx, q)
	}
	s := serve(t, &p)
	var want, got []any
	for _, one := range payments {
		want = append(want, string(one.OrderID))
	}
	for cursor := ""; ; {
		page := s.page("limit=2&cursor=" + cursor)
		for _, one := range page.Payments {
			got = append(got, one["order_id"])
		}
		newest := payments[0]
		newest.OrderID, newest.CreatedAt = newest.OrderID+"x", newest.CreatedAt.Add(time.Second)
		payments = slices.Insert(payments, 0, newest)
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
}
