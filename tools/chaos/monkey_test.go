package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// monkey injects faults, one after the other, and repairs each before the next.
type monkey struct {
	world  *world
	random *rand.Rand
	faults map[string]int // number of each

	afterDatabase, afterGateway, afterReplica []time.Duration
}

func newMonkey(w *world, seed uint64) *monkey {
	return &monkey{world: w, random: rand.New(rand.NewPCG(seed, 1)), faults: make(map[string]int)}
}

// toxics are the faults of a connection in the form of toxiproxy, with times in milliseconds.
var toxics = map[string]string{
	"latency":    `{"name":"x","type":"latency","stream":"%s","attributes":{"latency":700,"jitter":600}}`,
	"reset":      `{"name":"x","type":"reset_peer","stream":"%s","attributes":{"timeout":30}}`,
	"black hole": `{"name":"x","type":"timeout","stream":"%s","attributes":{"timeout":0}}`,
	"slow close": `{"name":"x","type":"slow_close","stream":"%s","attributes":{"delay":900}}`,
}

// names has a fixed order, so that a seed always gives the same faults.
var names = []string{"latency", "reset", "black hole", "slow close"}

func (m *monkey) run(t *testing.T, lasts time.Duration) {
	t.Helper()
	faults := []struct {
		name string
		make func(*testing.T)
	}{
		{"replica killed", m.killReplica},
		{"replica paused", m.pauseReplica},
		{"database killed", m.killDatabase},
		{"gateway killed", m.killGateway},
		{"backend connection", m.breakBackend},
		{"backend connection", m.breakBackend},
		{"frontend connection", m.breakFrontend},
		{"intermediary", m.answerForGateway},
		{"intermediary", m.answerForGateway},
	}
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		fault := faults[m.random.IntN(len(faults))]
		m.faults[fault.name]++
		fault.make(t)
		m.wait(1500)
	}
}

// wait sleeps for a random time below a number of milliseconds.
func (m *monkey) wait(atMost int) {
	time.Sleep(time.Duration(m.random.IntN(atMost)) * time.Millisecond)
}

// killReplica kills a replica while it charges, and measures the time until another replica has settled
// the payment. No client repeats the request.
func (m *monkey) killReplica(t *testing.T) {
	t.Helper()
	i := m.random.IntN(replicas)
	victim, witness := m.world.replicas[i], m.world.replicas[(i+1)%replicas]
	order := fmt.Sprintf("takeover-%d", m.random.Uint64())
	go apptest.Pay(t.Context(), victim.URL, order, slowAmount) // the replica is killed before it responds
	apptest.Eventually(t, finalLimit, func() error {
		if p, err := apptest.Find(t.Context(), witness.URL, order); err != nil || p.State == "" {
			return fmt.Errorf("order %s is not claimed: %w", order, err)
		}
		return nil
	})
	victim.Kill()
	killed := time.Now()
	apptest.Eventually(t, finalLimit, func() error {
		p, err := apptest.Find(t.Context(), witness.URL, order)
		if err == nil && p.State != "succeeded" {
			err = fmt.Errorf("order %s is %s", order, p.State)
		}
		return err
	})
	m.afterReplica = append(m.afterReplica, time.Since(killed))
	m.world.replicas[i] = victim.Restart(t)
	m.world.replicas[i].WaitReady(t)
}

func (m *monkey) pauseReplica(t *testing.T) {
	t.Helper()
	r := m.world.replicas[m.random.IntN(replicas)]
	r.Pause(t)
	m.wait(8000) // often past the lease
	r.Resume(t)
}

func (m *monkey) killDatabase(t *testing.T) {
	t.Helper()
	require.NoError(t, m.world.database.Kill())
	killed := time.Now()
	m.wait(2000)
	require.NoError(t, m.world.database.Restart(t.Context()))
	m.afterDatabase = append(m.afterDatabase, m.freshPayment(t, killed))
}

func (m *monkey) killGateway(t *testing.T) {
	t.Helper()
	i := m.random.IntN(len(m.world.gateways))
	m.world.gateways[i].Kill()
	killed := time.Now()
	m.wait(4000)
	m.world.gateways[i] = m.world.gateways[i].Restart(t)
	m.afterGateway = append(m.afterGateway, m.freshPayment(t, killed))
}

// freshPayment returns the time from since until a new payment succeeds.
func (m *monkey) freshPayment(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	order := fmt.Sprintf("fresh-%d", m.random.Uint64())
	apptest.Eventually(t, finalLimit, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
		defer cancel()
		a := apptest.Pay(ctx, m.world.replicas[m.random.IntN(replicas)].URL, order, plainAmount)
		if a.Code != http.StatusOK {
			return fmt.Errorf("pay %s: %v", order, a)
		}
		return nil
	})
	return time.Since(since)
}

func (m *monkey) breakBackend(t *testing.T) {
	t.Helper()
	m.addToxic(t, m.world.backends[m.random.IntN(len(m.world.backends))])
}

func (m *monkey) breakFrontend(t *testing.T) {
	t.Helper()
	m.addToxic(t, m.world.frontends[m.random.IntN(len(m.world.frontends))])
}

func (m *monkey) addToxic(t *testing.T, p *toxiproxy.Proxy) {
	t.Helper()
	name := names[m.random.IntN(len(names))]
	stream := []string{"upstream", "downstream"}[m.random.IntN(2)]
	m.faults[name]++
	_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(toxics[name], stream)))
	require.NoError(t, err)
	m.wait(5000)
	require.NoError(t, p.Toxics.RemoveToxic(t.Context(), "x"))
}
