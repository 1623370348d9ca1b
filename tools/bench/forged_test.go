package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/adapters/squaregateway"
	"paymentd/adapters/stripegateway/stripefake"
	"paymentd/app/apptest"
	"paymentd/internal/standardwebhooks"
)

var forgedFlag = flag.Int("forged", 3000, "how many forged events TestForged sends")

const (
	// shortIdle and longIdle are how long the statements of a service without load are counted, for comparison. The long one
	// has several checks whether the database accepts writes, as a storm of many events has.
	shortIdle, longIdle = 4 * time.Second, 30 * time.Second
	// background is more than the statements of one check whether the database accepts writes, which writes no row, and of
	// one sweep of the transactions. They are too rare to be in the idle interval each time.
	background = 40
	// forgers is how many senders there are. More than 64 events at once are refused without a look at them.
	forgers = 16
	// paysEvery is the pause between two payments beside the last tenth of the events.
	paysEvery = 20 * time.Millisecond
	// oversizedEvery: one event in so many is longer than the 256 KiB that are read.
	oversizedEvery = 500
)

// forgery is a kind of forged event.
type forgery struct {
	gateway, what string
	code          int // of the answer
	request       func() (http.Header, []byte)
}

// TestForged sends events that no gateway has sent, or that are not for this service, and requires that they cost no
// statement at the database: `make bench/forged`.
//
//nolint:paralleltest // it measures
func TestForged(t *testing.T) {
	server, err := mysqltest.Start(t.Context(), mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	databaseURL, err := server.CreateDatabase(t.Context(), "forged")
	require.NoError(t, err)
	s := &storm{db: meter{openDatabase(t, server.URL(""), true)}}
	binary := apptest.Build(t)
	gateway := apptest.Start(t, binary, nil, "sandbox")
	gateway.WaitReady(t)
	file, forgeries := s.gateways(t, gateway.URL)
	s.replica = apptest.Start(t, binary, map[string]string{
		"PAYMENTD_GATEWAYS_FILE": file, "PAYMENTD_DATABASE": databaseURL, "PAYMENTD_LOG_LEVEL": "warn",
		"PAYMENTD_LIMIT_PER_KEY": unlimited, "PAYMENTD_LIMIT_PER_ADDRESS": unlimited,
	}, "serve")
	s.replica.WaitReady(t)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), s.replica.URL, "before", "10.00").Code)

	idleFor := shortIdle
	if *forgedFlag >= 100_000 {
		idleFor = longIdle
	}
	idle := s.db.during(t, func() { time.Sleep(idleFor) })
	alone, beside := *forgedFlag*9/10, *forgedFlag/10
	var took time.Duration
	statements := s.db.during(t, func() { took = s.send(t, forgeries, alone) })
	allowed := func(name string) int64 {
		return background + int64(math.Ceil(2*float64(idle[name])*took.Seconds()/idleFor.Seconds()))
	}
	fmt.Printf("%d forged events in %v: %.0f/s, p50 %v, p99 %v\n", alone, took.Round(time.Millisecond),
		float64(alone)/took.Seconds(), s.percentile(50), s.percentile(99))
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		fmt.Printf("  %-22s %6d in %v of them, %6d in %v without load\n", name, statements[name], took.Round(time.Millisecond), idle[name], idleFor)
		require.LessOrEqual(t, statements[name], allowed(name), name)
	}

	var payments, succeeded int
	var slowest []time.Duration
	written := s.db.during(t, func() {
		ctx, over := context.WithCancel(t.Context())
		var paying sync.WaitGroup
		paying.Go(func() { payments, succeeded, slowest = s.pay(ctx) })
		s.send(t, forgeries, beside)
		over()
		paying.Wait()
	})
	slices.Sort(slowest)
	require.NotEmpty(t, slowest)
	fmt.Printf("%d payments beside %d more events: %d succeeded, p99 %v; %d INSERT statements\n", payments, beside, succeeded,
		slowest[len(slowest)*99/100].Round(100*time.Microsecond), written["Com_insert"])
	require.Equal(t, payments, succeeded)
	require.GreaterOrEqual(t, written["Com_insert"], int64(payments), "the counters count")
	require.Zero(t, s.replica.Stop(t))
}

// storm sends events to a replica.
type storm struct {
	db      meter
	replica *apptest.Process

	mu        sync.Mutex
	latencies []time.Duration // of the last call of send
}

// gateways writes the gateways file of the replica, and returns its path and the kinds of forged events.
func (s *storm) gateways(t *testing.T, bank string) (file string, all []forgery) {
	t.Helper()
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	random := func() string {
		b := make([]byte, 32)
		_, _ = rand.Read(b)
		return base64.StdEncoding.EncodeToString(b)
	}
	bankSecret, stripeSecret, squareKey := standardwebhooks.SecretPrefix+random(), standardwebhooks.SecretPrefix+random(), random()
	const notificationURL = "https://pay.example/gateways/square/events"
	file = write("gateways.yaml", fmt.Sprintf(`gateways:
- {name: bank, kind: http, url: %q, webhook_secret_file: %q}
- {name: stripe, kind: stripe, url: "http://127.0.0.1:9", secret_key_file: %q, webhook_secret_file: %q, return_url: "https://shop.example/back"}
- {name: square, kind: square, url: "http://127.0.0.1:9", environment: sandbox, location: LHERE, access_token_file: %q, webhook_secret_file: %q, notification_url: %q}
routes:
- {use: bank}
`, bank, write("bank", bankSecret), write("stripe-key", "sk_test_forged"), write("stripe", stripeSecret),
		write("token", "sandbox-token"), write("square", squareKey), notificationURL))

	secret, err := standardwebhooks.ParseSecret(bankSecret)
	require.NoError(t, err)
	other, err := standardwebhooks.ParseSecret(standardwebhooks.SecretPrefix + random())
	require.NoError(t, err)
	standard := func(secret standardwebhooks.Secret, age time.Duration) func() (http.Header, []byte) {
		return func() (http.Header, []byte) {
			h, body := make(http.Header), []byte(`{"type":"charge.succeeded","data":{"key":"key-1","order_id":"before","transaction_id":"txn-1"}}`)
			secret.Sign(h, "event-1", time.Now().Add(-age), body)
			return h, body
		}
	}
	stripeEvent := func(secret string, age time.Duration, live bool) func() (http.Header, []byte) {
		return func() (http.Header, []byte) {
			body := fmt.Appendf(nil, `{"id":"evt_1","object":"event","type":"payment_intent.succeeded","livemode":%v,"created":1,"data":{"object":`+
				`{"object":"payment_intent","id":"pi_1","metadata":{"paymentd_key":"key-1","paymentd_order_id":"before"}}}}`, live)
			return http.Header{"Stripe-Signature": {stripefake.Sign(body, secret, time.Now().Add(-age))}}, body
		}
	}
	squareEvent := func(key, to, location string) func() (http.Header, []byte) {
		body := fmt.Appendf(nil, `{"merchant_id":"M","type":"payment.updated","event_id":"e-1","created_at":"2026-01-01T00:00:00Z","data":{"type":"payment",`+
			`"id":"p-1","object":{"payment":{"id":"p-1","status":"COMPLETED","reference_id":"key-1","note":"before","location_id":%q,`+
			`"amount_money":{"amount":1000,"currency":"USD"}}}}}`, location)
		h := http.Header{"X-Square-Hmacsha256-Signature": {squaregateway.Webhook{SignatureKey: key, NotificationURL: to}.Sign(body)}}
		return func() (http.Header, []byte) { return h.Clone(), body }
	}
	const expired = 6 * time.Minute
	return file, []forgery{
		{"bank", "wrong signature", http.StatusBadRequest, standard(other, 0)},
		{"bank", "expired", http.StatusBadRequest, standard(secret, expired)},
		{"bank", "from the future", http.StatusBadRequest, standard(secret, -expired)},
		{"stripe", "wrong signature", http.StatusBadRequest, stripeEvent("whsec_other", 0, false)},
		{"stripe", "expired", http.StatusBadRequest, stripeEvent(stripeSecret, expired, false)},
		{"stripe", "other mode", http.StatusOK, stripeEvent(stripeSecret, 0, true)},
		{"square", "wrong signature", http.StatusBadRequest, squareEvent("other", notificationURL, "LHERE")},
		{"square", "for another URL", http.StatusBadRequest, squareEvent(squareKey, notificationURL+"/", "LHERE")},
		{"square", "other location", http.StatusOK, squareEvent(squareKey, notificationURL, "LOTHER")},
	}
}

// send sends events of all kinds in turn, and returns how long that took. An answer with another code than that of the
// kind fails the test.
func (s *storm) send(t *testing.T, kinds []forgery, events int) time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: forgers}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	oversized := bytes.Repeat([]byte(" "), 300<<10)
	s.latencies = make([]time.Duration, 0, events)
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range forgers {
		all.Go(func() {
			for i := int(next.Add(1)); i <= events; i = int(next.Add(1)) {
				kind := kinds[i%len(kinds)]
				header, body := kind.request()
				code := kind.code
				if i%oversizedEvery == 0 {
					body, code = oversized, http.StatusRequestEntityTooLarge
				}
				if got := s.sendOne(t.Context(), client, kind.gateway, header, body); got != code {
					t.Errorf("an event of %s, %s, got %d instead of %d", kind.gateway, kind.what, got, code)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

// sendOne sends one event, and returns the status of the answer. It is 413 as well if the connection was closed during a
// body that is too long.
func (s *storm) sendOne(ctx context.Context, client *http.Client, gateway string, header http.Header, body []byte) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.replica.URL+"/gateways/"+gateway+"/events", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	began := time.Now()
	answer, err := client.Do(request)
	if err != nil {
		if len(body) > 256<<10 {
			return http.StatusRequestEntityTooLarge
		}
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latencies = append(s.latencies, time.Since(began))
	return answer.StatusCode
}

// percentile returns a percentile of the latencies of the last call of send.
func (s *storm) percentile(p int) time.Duration {
	slices.Sort(s.latencies)
	if len(s.latencies) == 0 {
		return 0
	}
	return s.latencies[len(s.latencies)*p/100].Round(100 * time.Microsecond)
}

// pay makes payments until ctx ends.
func (s *storm) pay(ctx context.Context) (payments, succeeded int, took []time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		a := apptest.Pay(context.WithoutCancel(ctx), s.replica.URL, fmt.Sprintf("beside-%d", payments), "10.00")
		took = append(took, time.Since(began))
		payments++
		if a.Code == http.StatusOK {
			succeeded++
		}
		time.Sleep(paysEvery)
	}
	return payments, succeeded, took
}

// meter reads the counters of a database server.
type meter struct{ *sql.DB }

// counters are those of statements, and of rows that are written. MariaDB has no counters of rows since 10.11.
var (
	counters = []string{
		"Com_insert", "Com_update", "Com_delete", "Com_replace", "Com_insert_select", "Com_update_multi", "Com_delete_multi", "Com_select",
	}
	rowCounters = []string{"Innodb_rows_inserted", "Innodb_rows_updated", "Innodb_rows_deleted"}
)

// during returns by how much each counter grows while do runs.
func (m meter) during(t *testing.T, do func()) map[string]int64 {
	t.Helper()
	before := m.read(t)
	do()
	grown := m.read(t)
	for name := range grown {
		grown[name] -= before[name]
	}
	return grown
}

func (m meter) read(t *testing.T) map[string]int64 {
	t.Helper()
	names := slices.Concat(counters, rowCounters)
	rows, err := m.QueryContext(t.Context(), "SHOW GLOBAL STATUS WHERE Variable_name IN ('"+strings.Join(names, "','")+"')")
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	all := make(map[string]int64)
	for rows.Next() {
		var name string
		var value int64
		require.NoError(t, rows.Scan(&name, &value))
		all[name] = value
	}
	require.NoError(t, rows.Err())
	for _, name := range counters {
		require.Contains(t, all, name)
	}
	return all
}
