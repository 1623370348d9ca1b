package app_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
	"paymentd/client"
)

// webhookShop is a receiver of webhooks.
type webhookShop struct {
	*httptest.Server

	t       *testing.T
	mu      sync.Mutex
	secrets []string
	held    chan struct{} // requests wait for it to be closed; nil if they do not wait
	status  int
	begun   int
	events  []client.Event
}

func newShop(t *testing.T) *webhookShop {
	t.Helper()
	s := &webhookShop{t: t, status: http.StatusOK}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *webhookShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.begun++
	held, secrets, status := s.held, s.secrets, s.status
	s.mu.Unlock()
	if err != nil {
		return // the sender was killed
	}
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	event, err := client.VerifyWebhook(r.Header, body, time.Now(), secrets...)
	if err != nil {
		s.t.Error(err)
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "answer of the shop")
	s.mu.Lock()
	defer s.mu.Unlock()
	if status == http.StatusOK {
		s.events = append(s.events, event)
	}
}

func (s *webhookShop) set(change func(*webhookShop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// wait waits until a number of events were accepted, and returns them.
func (s *webhookShop) wait(n int) []client.Event {
	s.t.Helper()
	apptest.Eventually(s.t, 30*time.Second, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.events) < n {
			return errTooFew
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]client.Event(nil), s.events...)
}

var errTooFew = errors.New("too few events were delivered")

// endpoints runs `paymentd endpoints` on a database.
func endpoints(t *testing.T, database string, args ...string) apptest.Output {
	t.Helper()
	return apptest.Run(t, apptest.Build(t), env{
		"PAYMENTD_DATABASE": database, "PAYMENTD_ENDPOINTS_ALLOW": "127.0.0.1",
	}, append([]string{"endpoints"}, args...)...)
}

// createEndpoint creates an endpoint, and returns its id. The shop knows its secret.
func createEndpoint(t *testing.T, database string, s *webhookShop, events string) string {
	t.Helper()
	out := endpoints(t, database, "create", "--url="+s.URL, "--events="+events, "--json")
	require.Zero(t, out.Code, out)
	var created struct{ ID, Secret string }
	require.NoError(t, json.Unmarshal([]byte(out.Stdout), &created))
	require.Regexp(t, `^whsec_`, created.Secret)
	s.set(func(s *webhookShop) { s.secrets = append(s.secrets, created.Secret) })
	return created.ID
}

// A process is killed between an outcome and the delivery of its event: the receiver has begun to read the request. After a
// restart, the event is delivered.
func TestEndpoints_ProcessKilled_EventIsDelivered(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Zero(t, apptest.Run(t, apptest.Build(t), env{"PAYMENTD_DATABASE": database}, "migrate", "up").Code)
			receiver := newShop(t)
			createEndpoint(t, database, receiver, "payment.succeeded")
			never := make(chan struct{})
			receiver.set(func(s *webhookShop) { s.held = never })
			gateway := apptest.StartGateway(t)
			p := serve(t, env{
				"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL,
				"PAYMENTD_ENDPOINTS_ALLOW": "127.0.0.1", "PAYMENTD_ENDPOINTS_TIMEOUT": "2s",
			})
			answer := apptest.Pay(t.Context(), p.URL, "order-1", "5.00")
			require.Equal(t, http.StatusOK, answer.Code, answer)
			apptest.Eventually(t, 30*time.Second, func() error {
				receiver.mu.Lock()
				defer receiver.mu.Unlock()
				if receiver.begun == 0 {
					return errTooFew
				}
				return nil
			})
			p.Kill()
			receiver.set(func(s *webhookShop) { s.held = nil })
			p = p.Restart(t)
			delivered := receiver.wait(1)
			require.Equal(t, "payment.succeeded", delivered[0].Type)
			require.Equal(t, "order-1", delivered[0].Data.OrderID)
			require.Equal(t, answer.Body.TransactionID, delivered[0].Data.TransactionID)
			require.Zero(t, p.Stop(t))
		})
	}
}

func TestEndpoints_Commands(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")
	gateway, receiver := apptest.StartGateway(t), newShop(t)
	p := serve(t, env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_ENDPOINTS_ALLOW": "127.0.0.1"})

	for _, c := range []struct{ args, problem string }{
		{"create --url=https://10.0.0.1/ --events=*", "is not public"},
		{"create --url=http://shop.example/ --events=*", "https://"},
		{"create --url=ftp://shop.example/ --events=*", "https://"},
		{"create --url=https://shop.example/ --events=payment.gone", "matches no event"},
		{"rotate ep_0123456789abcdef --overlap=1000h", "must be 0 to"},
		{"replay ep_0123456789abcdef --event=1", "must be the id of an event"},
		{"deliveries ep_0123456789abcdef --event=1", "must be the id of an event"},
		{"deliveries ep_0123456789abcdef --attempts --outcome=failed", "selects events"},
		{"replay ep_0123456789abcdef --since=yesterday", "must be a date"},
	} {
		out := endpoints(t, database, strings.Fields(c.args)...)
		require.Equal(t, 2, out.Code, out)
		require.Contains(t, out.Stderr, c.problem)
	}
	deleted := createEndpoint(t, database, receiver, "*")
	require.Equal(t, 0, endpoints(t, database, "delete", deleted).Code)
	for _, args := range []string{
		"disable ep_0123456789abcdef", "enable " + deleted, "delete " + deleted, "rotate " + deleted, "deliveries " + deleted,
		"deliveries --attempts " + deleted, "replay --since=2026-01-31 " + deleted,
	} {
		out := endpoints(t, database, strings.Fields(args)...)
		require.Equal(t, 1, out.Code, "%s: %v", args, out)
		require.Contains(t, out.Stderr, "endpoint", args)
	}

	id := createEndpoint(t, database, receiver, "*")
	out := endpoints(t, database, "list")
	require.Contains(t, out.Stdout, id)
	require.NotContains(t, out.Stdout, "whsec_", "a secret is shown once")
	require.NotContains(t, endpoints(t, database, "list", "--json").Stdout, "whsec_")

	apptest.Eventually(t, 30*time.Second, func() error { // until the service knows the endpoint
		apptest.Pay(t.Context(), p.URL, "order-of-"+apptest.FreeAddress(t), "5.00")
		receiver.mu.Lock()
		defer receiver.mu.Unlock()
		if len(receiver.events) == 0 {
			return errTooFew
		}
		return nil
	})
	event := receiver.wait(1)[0]
	out = endpoints(t, database, "rotate", id)
	require.Regexp(t, `^whsec_\S+\n$`, out.Stdout)
	// Until every replica knows the new secret, events are signed with the previous one only.
	receiver.set(func(s *webhookShop) { s.secrets = append(s.secrets, strings.TrimSpace(out.Stdout)) })

	listed := endpoints(t, database, "deliveries", id, "--outcome=delivered", "--json")
	require.Contains(t, listed.Stdout, event.ID)
	require.Contains(t, listed.Stdout, "answer of the shop")
	attempted := endpoints(t, database, "deliveries", id, "--event="+event.ID, "--json")
	require.Zero(t, attempted.Code, attempted)
	var logged struct {
		Attempts []struct {
			EventID    string `json:"event_id"`
			Number     int
			Status     int
			Answer     string
			DurationMS float64 `json:"duration_ms"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(attempted.Stdout), &logged))
	require.Len(t, logged.Attempts, 1, attempted)
	require.Equal(t, event.ID, logged.Attempts[0].EventID)
	require.Equal(t, http.StatusOK, logged.Attempts[0].Status)
	require.Equal(t, "answer of the shop", logged.Attempts[0].Answer)
	require.Positive(t, logged.Attempts[0].DurationMS)
	require.Contains(t, endpoints(t, database, "deliveries", id, "--attempts").Stdout, "answer of the shop")
	before := len(receiver.wait(1))
	out = endpoints(t, database, "replay", id, "--event="+event.ID)
	require.Equal(t, "1 events are delivered again\n", out.Stdout)
	replayed := receiver.wait(before + 1)
	require.Contains(t, replayed[before:], event, "the same event, with the same id")
	out = endpoints(t, database, "replay", id, "--event=evt_1_0123456789abcdef")
	require.Equal(t, 1, out.Code)
	out = endpoints(t, database, "replay", id, "--since=2020-01-01", "--undelivered")
	require.Zero(t, out.Code, out)

	require.Equal(t, id+" is disabled\n", endpoints(t, database, "disable", id).Stdout)
	require.Equal(t, id+" is active\n", endpoints(t, database, "enable", id).Stdout)
	require.Equal(t, id+" is deleted\n", endpoints(t, database, "delete", id).Stdout)
	require.NotContains(t, endpoints(t, database, "list").Stdout, id)
	require.Zero(t, p.Stop(t))
	require.NotContains(t, p.Log(), "whsec_")
}
