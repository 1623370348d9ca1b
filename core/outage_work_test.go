package core_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// A release that fails for long, while everything else succeeds, is two lines as well.
func TestOutage_OfReleasesIsTwoLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, payments := &bytes.Buffer{}, fake.NewPayments()
		require.NoError(t, payments.Heartbeat(t.Context(), "gone"))
		s := newService(log, releaseFails{payments, time.Now().Add(time.Hour)}, fake.NewGateway())
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour)
		defer stop()
		s.RunQueue(ctx)
		requireOneOutage(t, log)
	})
}

func newService(log io.Writer, payments ports.Payments, gateway ports.Gateway) *core.Service {
	return core.New(core.Settings{
		Replica: "a", NewKey: func() payment.GatewayKey { return payment.GatewayKey(rand.Text()) },
		Lease: 30 * time.Second, Wait: 10 * time.Second, Late: time.Minute, LookupFirst: time.Second, LookupMax: time.Minute,
		Workers: 4, Poll: time.Second, HeartbeatTimeout: 5 * time.Second, GatewayTimeout: 10 * time.Second, MaxBackoff: time.Minute,
	}, payments, core.OneGateway(gateway, resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})),
		slog.New(slog.NewTextHandler(log, nil)))
}

func requireOneOutage(t *testing.T, log *bytes.Buffer) {
	t.Helper()
	require.Equal(t, 1, strings.Count(log.String(), "queue paused"))
	require.Equal(t, 1, strings.Count(log.String(), "queue resumed"))
}

// releaseFails is a database that releases no replica until then.
type releaseFails struct {
	ports.Payments

	until time.Time
}

func (p releaseFails) Release(ctx context.Context, h ports.Heartbeat) (bool, error) {
	if time.Now().Before(p.until) {
		return false, ports.ErrUnavailable
	}
	return p.Payments.Release(ctx, h)
}

// oneWorkFails is a database that fails one method for one kind of due work only, such as one that has lost the
// table of the keys.
type oneWorkFails struct {
	ports.Payments

	method string
	work   payment.Work
	until  time.Time
}

func (p oneWorkFails) fails(method string, work payment.Work) bool {
	return p.method == method && p.work == work && time.Now().Before(p.until)
}

func (p oneWorkFails) NextDue(ctx context.Context, terms payment.PickUpPolicy) (time.Duration, bool, error) {
	if p.fails("NextDue", terms.Work) {
		return 0, false, ports.ErrUnavailable
	}
	return p.Payments.NextDue(ctx, terms)
}

func (p oneWorkFails) ClaimDue(ctx context.Context, terms payment.PickUpPolicy, limit int) ([]payment.Decision, error) {
	if p.fails("ClaimDue", terms.Work) {
		return nil, ports.ErrUnavailable
	}
	return p.Payments.ClaimDue(ctx, terms, limit)
}

// However long one kind of work fails while the others succeed, the outage is two lines.
func TestOutage_OfOneKindOfWorkIsTwoLines(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"NextDue", "ClaimDue"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &bytes.Buffer{}
				broken := oneWorkFails{fake.NewPayments(), method, payment.WorkLookups, time.Now().Add(time.Hour)}
				script := make([]fake.Step, 4)
				for i := range script {
					script[i] = fake.Timeout()
				}
				s := newService(log, broken, fake.NewGateway(script...))
				dollar, err := payment.ParseCurrency("USD")
				require.NoError(t, err)
				amount, err := payment.ParseMoney("1.00", dollar)
				require.NoError(t, err)
				answer, err := s.Process(t.Context(), core.Request{OrderID: "order-1", Money: amount})
				require.NoError(t, err)
				require.Equal(t, payment.StateUnresolved, answer.State, "a lookup is due from now on")

				ctx, stop := context.WithCancel(t.Context())
				var queue sync.WaitGroup
				queue.Go(func() { s.RunQueue(ctx) })
				for i := range 600 { // the other kinds have something to do as well
					_, err := s.Process(t.Context(), core.Request{
						OrderID: payment.OrderID(fmt.Sprintf("order-later-%d", i)), Money: amount, Async: true,
					})
					require.NoError(t, err)
					time.Sleep(10 * time.Second)
				}
				stop()
				queue.Wait()
				requireOneOutage(t, log)
			})
		})
	}
}
