// Package nats_test delivers events to an embedded server of NATS JetStream.
package nats_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/natssink"
	"paymentd/app/apptest"
	"paymentd/client"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// bus is an embedded server with an observer of its streams.
type bus struct {
	*server.Server

	t       *testing.T
	options server.Options
}

func startBus(t *testing.T, change func(*server.Options)) *bus {
	t.Helper()
	o := server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	if change != nil {
		change(&o)
	}
	b := &bus{t: t, options: o}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *bus) start() {
	b.t.Helper()
	o := b.options
	s, err := server.NewServer(&o)
	require.NoError(b.t, err)
	go s.Start()
	require.True(b.t, s.ReadyForConnections(20*time.Second))
	b.Server = s
	b.options.Port = o.Port // the same one after a restart
}

func (b *bus) stop() {
	b.Shutdown()
	b.WaitForShutdown()
}

// url returns the address of an endpoint that publishes to subjects that begin with shop.payments.
func (b *bus) url() string {
	return fmt.Sprintf("nats://127.0.0.1:%d/shop.payments", b.options.Port)
}

// stream creates a stream of subjects, or returns it.
func (b *bus) stream(options ...nats.Option) jetstream.Stream {
	b.t.Helper()
	conn, err := nats.Connect(b.ClientURL(), options...)
	require.NoError(b.t, err)
	b.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(b.t, err)
	s, err := js.CreateOrUpdateStream(b.t.Context(), jetstream.StreamConfig{Name: "PAYMENTS", Subjects: []string{"shop.payments.>"}})
	require.NoError(b.t, err)
	return s
}

// stored returns the messages of a stream, in its order.
func stored(t *testing.T, s jetstream.Stream) (all []*jetstream.RawStreamMsg) {
	t.Helper()
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	for i := info.State.FirstSeq; i <= info.State.LastSeq && info.State.Msgs > 0; i++ {
		m, err := s.GetMsg(t.Context(), i)
		require.NoError(t, err)
		all = append(all, m)
	}
	return all
}

func newSender(t *testing.T, o natssink.Options) *natssink.Sender {
	t.Helper()
	o.Timeout, o.Version = 5*time.Second, "test"
	if o.Allow == nil {
		o.Allow = []string{"127.0.0.1"}
	}
	s := natssink.New(o)
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, s *natssink.Sender, to endpoint.Endpoint, id payment.ChangeID) endpoint.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return s.Send(ctx, to, endpoint.Delivery{Event: id, Type: "payment.succeeded", Payload: []byte(`{"type":"payment.succeeded"}`)})
}

func TestSend_StoresSignedEventOnce(t *testing.T) {
	t.Parallel()
	b := startBus(t, nil)
	s, to := newSender(t, natssink.Options{}), endpoint.New(b.url(), endpoint.Patterns{"*"})
	require.Contains(t, send(t, s, to, "evt_1").Problem, "no stream receives the subject")

	stream := b.stream()
	require.Equal(t, endpoint.Answer{Status: http.StatusOK, Body: "stream PAYMENTS, sequence 1"}, send(t, s, to, "evt_1"))
	require.Equal(t, "stream PAYMENTS, sequence 1, which it had already", send(t, s, to, "evt_1").Body)
	require.Equal(t, "stream PAYMENTS, sequence 2", send(t, s, to, "evt_2").Body)
	all := stored(t, stream)
	require.Len(t, all, 2)
	require.Equal(t, "shop.payments.payment.succeeded", all[0].Subject)
	require.Equal(t, "evt_1", all[0].Header.Get("Nats-Msg-Id"))
	event, err := client.VerifyWebhook(http.Header(all[0].Header), all[0].Data, time.Now(), to.Secret.Reveal())
	require.NoError(t, err)
	require.Equal(t, "payment.succeeded", event.Type)
}

// A server that went away is connected to again by the next attempt.
func TestSend_ServerRestarts(t *testing.T) {
	t.Parallel()
	b := startBus(t, nil)
	b.stream()
	s, to := newSender(t, natssink.Options{}), endpoint.New(b.url(), endpoint.Patterns{"*"})
	require.True(t, send(t, s, to, "evt_1").Accepted())
	b.stop()
	require.NotEmpty(t, send(t, s, to, "evt_2").Problem)
	b.start()
	require.True(t, send(t, s, to, "evt_2").Accepted())
}

func TestSend_Credentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*server.Options)
		file   string
		option nats.Option
	}{
		"user":  {func(o *server.Options) { o.Username, o.Password = "pay", "a:b" }, "pay:a:b\n", nats.UserInfo("pay", "a:b")},
		"token": {func(o *server.Options) { o.Authorization = "t0ken" }, "t0ken\n", nats.Token("t0ken")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBus(t, c.change)
			b.stream(c.option)
			file := filepath.Join(t.TempDir(), "credentials")
			require.NoError(t, os.WriteFile(file, []byte(c.file), 0o600))
			to := endpoint.New(b.url(), endpoint.Patterns{"*"})
			require.True(t, send(t, newSender(t, natssink.Options{CredentialsFile: file}), to, "evt_1").Accepted())
			answer := send(t, newSender(t, natssink.Options{}), to, "evt_1")
			require.Contains(t, answer.Problem, "Authorization Violation")
			answer = send(t, newSender(t, natssink.Options{CredentialsFile: file + "-gone"}), to, "evt_1")
			require.Contains(t, answer.Problem, "read the NATS credentials")
		})
	}
}

var errMissing = errors.New("events are missing")

// The process is killed while the bus is dead, between the outcomes and the deliveries. Payments go on meanwhile, and
// after a restart of both every event is in the stream once, in order per order.
func TestService_KilledWhileBusIsDead_EventsAreDelivered(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")
	b := startBus(t, nil)
	stream := b.stream()
	environment := map[string]string{
		"PAYMENTD_DATABASE": database, "PAYMENTD_ENDPOINTS_ALLOW": "127.0.0.1", "PAYMENTD_ENDPOINTS_TIMEOUT": "1s",
		"PAYMENTD_ADDR": apptest.FreeAddress(t),
	}
	bin := apptest.Build(t)
	require.Zero(t, apptest.Run(t, bin, environment, "migrate", "up").Code)
	out := apptest.Run(t, bin, environment, "endpoints", "create", "--url="+b.url(), "--events=payment.*", "--json")
	require.Zero(t, out.Code, out)
	var created struct{ ID, Secret string }
	require.NoError(t, json.Unmarshal([]byte(out.Stdout), &created))
	b.stop()

	p := apptest.Start(t, bin, environment, "serve")
	p.WaitReady(t)
	const orders = 3
	for i := range orders {
		answer := apptest.Pay(t.Context(), p.URL, fmt.Sprintf("order-%d", i), "5.00")
		require.Equal(t, http.StatusOK, answer.Code, answer)
	}
	apptest.Eventually(t, 20*time.Second, func() error {
		logged := apptest.Run(t, bin, environment, "endpoints", "deliveries", created.ID, "--attempts")
		if !strings.Contains(logged.Stdout, "connection refused") {
			return errMissing
		}
		return nil
	})
	p.Kill()
	b.start()
	stream = b.stream()
	p = p.Restart(t)
	var all []*jetstream.RawStreamMsg
	apptest.Eventually(t, 30*time.Second, func() error {
		if all = stored(t, stream); len(all) < 2*orders {
			return errMissing
		}
		return nil
	})
	types := make(map[string][]string)
	for _, m := range all {
		event, err := client.VerifyWebhook(http.Header(m.Header), m.Data, time.Now(), created.Secret)
		require.NoError(t, err)
		require.Equal(t, event.ID, m.Header.Get("Nats-Msg-Id"))
		require.Equal(t, "shop.payments."+event.Type, m.Subject)
		types[event.Data.OrderID] = append(types[event.Data.OrderID], event.Type)
	}
	require.Len(t, types, orders)
	for id, of := range types {
		require.Equal(t, []string{"payment.processing", "payment.succeeded"}, of, id)
	}
	require.Zero(t, p.Stop(t))
}
