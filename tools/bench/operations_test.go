package bench

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Names of the contenders that are measured beside payments.
const (
	refund = "refund" // of all of a payment that was made before
	hold   = "hold"   // authorize a payment, and capture it
)

// measureOperations measures refunds, and payments that are held and then captured, beside payments that take the
// money at once.
func (h *harness) measureOperations(t *testing.T) {
	t.Helper()
	s := h.start(t, setup{name: "operations", full: h.full})
	contenders := s.operations(t)
	var rows []row
	for _, clients := range h.clients {
		rows = append(rows, h.rounds(t, clients, s, contenders...))
	}
	s.auditOperations(t, contenders)
	writeRows(os.Stdout, "Refunds, and an authorization with its capture, beside payments", rows...)
}

// refundsPerSecond is how many payments are kept for each second of refunds. The slice of payments before makes them,
// unless the machine was busy meanwhile.
const refundsPerSecond = 1500

// operations returns payments, and the contenders that need the same replica.
func (s *system) operations(t *testing.T) []*contender {
	t.Helper()
	unrefunded := &orderPool{}
	payments, refunds, holds := s.service(paymentd), s.service(refund), s.service(hold)
	payments.open = func(clients int) payer {
		return &pooledPayer{newHTTPPayer(s.replica.URL, s.apiKey, clients), unrefunded}
	}
	refunds.next = unrefunded.take
	refunds.open = func(clients int) payer {
		for n := unrefunded.size(); float64(n) < refundsPerSecond*s.slice.Seconds(); n = unrefunded.size() {
			payments.burst(t.Context(), clients)
			require.Greater(t, unrefunded.size(), n, "no payment succeeds that could be refunded")
		}
		return &refundPayer{newHTTPPayer(s.replica.URL, s.apiKey, clients)}
	}
	holds.open = func(clients int) payer { return &holdPayer{newHTTPPayer(s.replica.URL, s.apiKey, clients)} }
	return []*contender{payments, refunds, holds}
}

// orderPool has paid orders.
type orderPool struct {
	mu     sync.Mutex
	orders []string
}

func (p *orderPool) put(order string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders = append(p.orders, order)
}

func (p *orderPool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.orders)
}

// take returns an order once; empty if none is left.
func (p *orderPool) take() (order string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.orders) - 1; last >= 0 {
		order, p.orders = p.orders[last], p.orders[:last]
	}
	return order
}

// pooledPayer keeps the orders that it has paid.
type pooledPayer struct {
	*httpPayer

	pool *orderPool
}

func (p *pooledPayer) pay(ctx context.Context, client int, order string) error {
	err := p.httpPayer.pay(ctx, client, order)
	if err == nil {
		p.pool.put(order)
	}
	return err
}

// refundPayer refunds all of an order that was paid before.
type refundPayer struct{ *httpPayer }

func (p *refundPayer) pay(_ context.Context, client int, order string) error {
	if order == "" {
		return errors.New("no payment is left to refund: the slices of payments are too short")
	}
	return p.post(client, "/payments/"+order+"/refunds", []byte(`{"refund_id":"r-1"}`))
}

// holdPayer authorizes a payment, and then captures all of it.
type holdPayer struct{ *httpPayer }

func (p *holdPayer) pay(_ context.Context, client int, order string) error {
	if err := p.process(client, order, `,"capture":"manual"`); err != nil {
		return err
	}
	return p.post(client, "/payments/"+order+"/capture", []byte(`{}`))
}

// auditOperations fails the test if a payment, a refund or a capture is missing or was made twice.
func (s *system) auditOperations(t *testing.T, contenders []*contender) {
	t.Helper()
	for i, of := range []struct{ table, orders, kind string }{
		{"payments WHERE order_id LIKE 'paymentd-%' AND", paymentd, charge},
		{"operations WHERE operation_kind = 'refund' AND", paymentd, refundOfCharge},
		{"payments WHERE order_id LIKE 'hold-%' AND", hold, capture},
	} {
		c := contenders[i]
		a := audit{contender: c.name, isService: true, paid: c.paid, errors: c.errors}
		require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+s.name+"."+of.table+" state = 'succeeded'").Scan(&a.succeeded))
		a.charges, a.charged = s.succeeded(t, of.orders, of.kind)
		require.NoError(t, a.check())
		t.Logf("%s: %d made, %d errors; %d in the table, %d in the ledger: consistent", c.name, a.paid, a.errors, a.succeeded, a.charges)
	}
	var different int
	require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+s.name+".payments AS p WHERE refund_reserved_minor <> "+
		"(SELECT COALESCE(SUM(o.amount_minor), 0) FROM "+s.name+".operations AS o WHERE o.order_id = p.order_id AND o.operation_kind = 'refund')").
		Scan(&different))
	require.Zero(t, different, "payments whose reserved sum is not that of their refunds")
}
