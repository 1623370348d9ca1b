package httpapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// A filter selects payments on all pages, however few a page has of them.
func TestList_Filters_SelectOnAllPages(t *testing.T) {
	t.Parallel()
	payments := many(t, 101)
	for i := range payments {
		p := &payments[i]
		p.Gateway, p.TransactionID, p.GatewayKey = "bank", fmt.Sprintf("txn-%d", i), payment.GatewayKey(fmt.Sprintf("key-%d", i))
		if i%10 == 0 {
			p.Gateway = "card"
		}
	}
	s := serve(t, holding(payments))
	for query, want := range map[string]func(payment.Payment) bool{
		"gateway=card": func(p payment.Payment) bool { return p.Gateway == "card" },
		"gateway=car":  func(payment.Payment) bool { return false },
		"gateway=&q=":  func(payment.Payment) bool { return true },
		"q=order%2F09": func(p payment.Payment) bool { return strings.HasPrefix(string(p.OrderID), "order/09") },
		"q=txn-77":     func(p payment.Payment) bool { return p.TransactionID == "txn-77" },
		"q=key-8":      func(p payment.Payment) bool { return p.GatewayKey == "key-8" },
		"q=rder":       func(payment.Payment) bool { return false },
		"gateway=bank&q=order%2F1": func(p payment.Payment) bool {
			return p.Gateway == "bank" && strings.HasPrefix(string(p.OrderID), "order/1")
		},
		"gateway=card&state=failed&state=declined": func(p payment.Payment) bool {
			return p.Gateway == "card" && (p.State == payment.StateFailed || p.State == payment.StateDeclined)
		},
	} {
		var expected, got []any
		for _, p := range payments {
			if want(p) {
				expected = append(expected, string(p.OrderID))
			}
		}
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			p := s.page("limit=3&" + query + "&cursor=" + cursor)
			require.LessOrEqual(t, len(p.Payments), 3)
			for _, one := range p.Payments {
				got = append(got, one["order_id"])
			}
			cursor = p.NextCursor
		}
		require.Equal(t, expected, got, query)
	}
}

func TestList_Filter_BelongsToTheCursor(t *testing.T) {
	t.Parallel()
	payments := many(t, 10)
	for i := range payments {
		payments[i].Gateway = "bank"
	}
	s := serve(t, holding(payments))
	cursor := s.page("limit=2&gateway=bank").NextCursor
	require.NotEmpty(t, cursor)
	for _, query := range []string{"limit=2", "limit=2&gateway=card", "limit=2&gateway=bank&q=order"} {
		require.Equal(t, 400, s.get("/payments?"+query+"&cursor="+cursor).status, query)
	}
	long := url.QueryEscape(strings.Repeat("x", 256))
	for query, sentence := range map[string]string{
		"q=" + long:       "q must have at most 255 bytes",
		"gateway=" + long: "gateway must have at most 255 bytes",
		"q=a&q=b":         "q must be given once only",
	} {
		got := s.get("/payments?" + query)
		require.Equal(t, 400, got.status)
		require.Equal(t, sentence, got.sentence(t))
	}
}
