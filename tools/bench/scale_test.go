//go:build engines

package bench

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

var (
	scaleRows    = flag.Int("scale-rows", 100_000, "payments that TestScale inserts before the last table, at most")
	scaleClients = flag.Int("scale-clients", 64, "clients of TestScale")
)

// installation is an engine with replicas of the service.
type installation struct {
	name     string
	url      string
	engine   []int // process ids
	replicas []*apptest.Process
	ordered  atomic.Int64

	perSecond, latency    []float64
	cpuEngine, cpuService []float64 // µs per payment
	failed                int
}

// TestScale measures payments on each engine, one engine after the other, round after round, and prints
// the tables of docs/scale.md: `make bench/scale`.
//
//nolint:paralleltest // it measures
func TestScale(t *testing.T) {
	gateway := apptest.Start(t, apptest.Build(t), nil, "sandbox")
	gateway.WaitReady(t)
	mysql := installed(t, mysqltest.MySQL, 1)
	tidb := installed(t, mysqltest.TiDB, 1)
	vitess := []*installation{installed(t, mysqltest.Vitess, 1), installed(t, mysqltest.Vitess, 2), installed(t, mysqltest.Vitess, 4)}
	all := append([]*installation{mysql, tidb}, vitess...)
	fmt.Printf("%d processors, %s, %d clients, %d rounds of %v; ratios are the median (least-most) of the rounds\n",
		runtime.NumCPU(), runtime.Version(), *scaleClients, given.rounds, given.slice)
	for _, i := range all {
		i.addReplica(t, gateway.URL)
	}
	measureInstallations(t, all)
	printScale("engine and shards, one replica", all)

	for _, more := range []int{2, 3} {
		for _, i := range []*installation{mysql, vitess[1]} {
			i.addReplica(t, gateway.URL)
		}
		measureInstallations(t, []*installation{mysql, vitess[1]})
		printScale(fmt.Sprint("replicas: ", more), []*installation{mysql, vitess[1]})
	}
	stored := 0
	for rows := 10_000; rows <= *scaleRows; rows *= 10 {
		for _, i := range []*installation{mysql, tidb, vitess[1]} {
			i.fill(t, stored, rows)
		}
		stored = rows
		measureInstallations(t, []*installation{mysql, tidb, vitess[1]})
		printScale(fmt.Sprint("payments in the table: ", rows), []*installation{mysql, tidb, vitess[1]})
	}
	for _, i := range all {
		require.Zero(t, i.failed, "%s: requests without a success", i.name)
	}
}

// installed starts an engine with an empty database.
func installed(t *testing.T, engine mysqltest.Engine, shards int) *installation {
	t.Helper()
	t.Setenv(mysqltest.EngineVariable, string(engine))
	t.Setenv(mysqltest.ShardsVariable, strconv.Itoa(shards))
	server, url, err := mysqltest.StartTested(t.Context(), "payments", mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	name := string(engine)
	if engine == mysqltest.Vitess {
		name += fmt.Sprintf(", %d shards", shards)
	}
	return &installation{name: name, url: url, engine: server.PIDs()}
}

func (i *installation) addReplica(t *testing.T, gateway string) {
	t.Helper()
	replica := apptest.Start(t, apptest.Build(t), map[string]string{
		"PAYMENTD_DATABASE": i.url, "PAYMENTD_GATEWAY": gateway,
	}, "serve")
	replica.WaitReady(t)
	i.replicas = append(i.replicas, replica)
}

// measureInstallations measures each in turn, round after round.
func measureInstallations(t *testing.T, all []*installation) {
	t.Helper()
	for _, i := range all {
		i.perSecond, i.latency, i.cpuEngine, i.cpuService = nil, nil, nil, nil
	}
	for range given.rounds {
		for _, i := range all {
			i.measure(t)
		}
	}
}

// measure is one round.
func (i *installation) measure(t *testing.T) {
	t.Helper()
	spread := &spreadPayer{}
	defer spread.close()
	for _, r := range i.replicas {
		spread.replicas = append(spread.replicas, newHTTPPayer(r.URL, "", *scaleClients))
	}
	var engine, service [2]float64
	o := closedLoop(t.Context(), spread, *scaleClients, i.order, func() (from, to time.Time) {
		_ = sleep(t.Context(), warmUp)
		engine[0], service[0] = i.used()
		from = time.Now()
		_ = sleep(t.Context(), given.slice)
		to = time.Now()
		engine[1], service[1] = i.used()
		return from, to
	})
	paid := float64(max(1, len(o.took)))
	i.perSecond = append(i.perSecond, float64(len(o.took))/o.seconds)
	i.latency = append(i.latency, quantile(o.took, 0.5))
	i.cpuEngine = append(i.cpuEngine, (engine[1]-engine[0])/paid)
	i.cpuService = append(i.cpuService, (service[1]-service[0])/paid)
	i.failed += o.errors
	if o.err != nil {
		t.Logf("%s: %v", i.name, o.err)
	}
}

func (i *installation) order() string {
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(strings.ReplaceAll(i.name, " ", ""), ",", "-"), i.ordered.Add(1))
}

// used returns the processor time of the engine and of the replicas, in microseconds.
func (i *installation) used() (engine, service float64) {
	for _, pid := range i.engine {
		engine += processorTime(pid)
	}
	for _, r := range i.replicas {
		service += processorTime(r.PID())
	}
	return engine, service
}

// spreadPayer spreads the clients over replicas.
type spreadPayer struct{ replicas []payer }

func (p *spreadPayer) pay(ctx context.Context, client int, order string) error {
	return p.replicas[client%len(p.replicas)].pay(ctx, client, order)
}

func (p *spreadPayer) close() {
	for _, r := range p.replicas {
		r.close()
	}
}

// fill inserts final payments until there are rows, as the service leaves them.
func (i *installation) fill(t *testing.T, stored, rows int) {
	t.Helper()
	db := openDatabase(t, i.url, true)
	const batch = 1000
	for from := stored; from < rows; from += batch {
		insertFinal(t, db, from, batch)
	}
}

func insertFinal(t *testing.T, db *sql.DB, from, count int) {
	t.Helper()
	var text strings.Builder
	text.WriteString("INSERT INTO payments (order_id, amount_minor, currency, state, gateway_key, fence, claim_token, replica, " +
		"attempt_number, attempt_fence, attempt_replica, attempt_gateway_key, attempt_started_at, attempt_ended_at, attempt_class, " +
		"attempt_code, attempt_message, doubt_answered, lookups, strikes, events, async, later_retries, transaction_id, code, reason, " +
		"created_at, updated_at, key_sent_clock) VALUES ")
	for n := from; n < from+count; n++ {
		if n > from {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, "('filled-%08d',10000,'USD','succeeded','k-%[1]d',1,1,'r',1,1,'r','k-%[1]d',NOW(6),NOW(6),'approved',"+
			"'','',0,0,0,0,0,0,'txn-filled-%[1]d','','',NOW(6),NOW(6),1)", n)
	}
	execute(t, db, text.String())
}

// printScale prints a table. Ratios compare with the first installation in the same round.
func printScale(title string, all []*installation) {
	fmt.Printf("\n%s\n\n| engine | payments/s | ratio | p50 ms | engine µs/payment | service µs/payment |\n"+
		"| --- | ---: | --- | ---: | ---: | ---: |\n", title)
	for _, i := range all {
		r := ratios(i.perSecond, all[0].perSecond)
		fmt.Printf("| %s | %.0f | %.2f (%.2f-%.2f) | %.0f | %.0f | %.0f |\n", i.name, median(i.perSecond),
			r.median, r.least, r.most, median(i.latency), median(i.cpuEngine), median(i.cpuService))
	}
}
