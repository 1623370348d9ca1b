package cli

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// rareList has one payment, on the third page. The pages before are empty, and each takes a second.
type rareList struct {
	ports.Payments

	pages int
	read  int
}

func (l *rareList) List(context.Context, ports.ListQuery) (page ports.ListPage, err error) {
	time.Sleep(time.Second)
	l.read++
	if l.read == 3 {
		page.Payments = []payment.Payment{{OrderID: "order-1", State: payment.StateDeclined, Code: "card_declined"}}
	}
	if l.read < l.pages {
		page.NextCreatedAt = time.Date(2026, time.March, 4, 12, 0, 0, 1, time.UTC).Add(-time.Duration(l.read) * time.Hour)
		page.NextOrderID = payment.OrderID(fmt.Sprintf("order-%d", l.read))
	}
	return page, nil
}

const stopped = "Stopped after 30s: older payments than those of 2026-03-03T06:00:01Z were not read; go on with --before.\n"

func TestList_EmptyPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		command listCommand
		pages   int
		read    int
		said    string
	}{
		"it goes on until the limit":     {listCommand{Limit: 1}, 100, 3, ""},
		"it goes on until the last one":  {listCommand{Limit: 2}, 5, 5, ""},
		"it stops when the time is over": {listCommand{Limit: 2}, 100, 30, stopped},
		"it reads everything":            {listCommand{Limit: 2, All: true}, 100, 100, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &rareList{pages: c.pages}
				var out, said bytes.Buffer
				w := newListWriter(&out, false)
				_, reached, err := c.command.list(t.Context(), l, w)
				require.NoError(t, err)
				require.NoError(t, w.end())
				printReached(stdio{stderr: &said}, reached, "; go on with --before")
				require.Equal(t, 1, w.written)
				require.Equal(t, c.read, l.read)
				require.Equal(t, c.said, said.String())
			})
		})
	}
}
