package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"paymentd/core/payment"
)

// trace is the log of the events of a run. Its entries are formatted only when they are printed.
type trace struct {
	began time.Time

	mu    sync.Mutex
	lines []entry
}

type entry struct {
	at     time.Duration
	actor  string
	order  payment.OrderID // empty if the entry concerns all
	format string
	args   []any
}

// add appends an entry. The arguments must not change afterwards.
func (t *trace) add(actor string, order payment.OrderID, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, entry{time.Since(t.began), actor, order, format, args})
}

// format returns the entries that concern an order, one a line; all entries for an empty order.
func (t *trace) format(order payment.OrderID) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, l := range t.lines {
		if order == "" || l.order == "" || l.order == order || strings.HasPrefix(string(l.order), string(order)+" ") {
			fmt.Fprintf(&b, "%14s  %-12s %-8s "+l.format+"\n",
				append([]any{l.at, l.actor, l.order}, l.args...)...)
		}
	}
	return b.String()
}

// log returns a logger that adds a replica's log lines to the trace.
func (t *trace) log(replica string) *slog.Logger { return slog.New(traceHandler{t, replica}) }

type traceHandler struct {
	trace   *trace
	replica string
}

func (h traceHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h traceHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h traceHandler) WithGroup(string) slog.Handler            { return h }

func (h traceHandler) Handle(_ context.Context, r slog.Record) error {
	var order payment.OrderID
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "order_id" {
			order, _ = a.Value.Any().(payment.OrderID)
		}
		return order == ""
	})
	h.trace.add(h.replica, order, "logs: %v", logged{r})
	return nil
}

// logged is a log line that is not formatted yet.
type logged struct{ record slog.Record }

func (l logged) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", l.record.Level, l.record.Message)
	l.record.Attrs(func(a slog.Attr) bool {
		if a.Key != "order_id" && a.Key != "stack" {
			fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		}
		return true
	})
	return b.String()
}
