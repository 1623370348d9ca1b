package sqlitestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore"
	"paymentd/core/payment"
	"paymentd/ports"
)

// The environment of a process that this test binary starts of itself: the database and the job.
const (
	urlVariable = "SQLITESTORE_TEST_URL"
	jobVariable = "SQLITESTORE_TEST_JOB"
)

// jobs are the jobs of a second process.
var jobs = map[string]func(ctx context.Context, databaseURL string) error{
	"claim all": func(ctx context.Context, databaseURL string) error {
		s, err := sqlitestore.Open(databaseURL, sqlitestore.Options{})
		if err != nil {
			return err
		}
		return errors.Join(claimAll(ctx, s, contested, "replica-b", printID), s.Close())
	},
	"claim for ever": func(ctx context.Context, databaseURL string) error {
		s, err := sqlitestore.Open(databaseURL, sqlitestore.Options{})
		if err != nil {
			return err
		}
		return errors.Join(claimAll(ctx, s, math.MaxInt, "replica-b", printID), s.Close())
	},
	"migrate": func(ctx context.Context, databaseURL string) error {
		schema, err := sqlitestore.Schema(databaseURL)
		if err != nil {
			return err
		}
		return schema.Up(ctx)
	},
}

const (
	// contested is the number of orders that two processes claim.
	contested = 100
	// lease is longer than a test.
	lease = time.Hour
	// timeout is how long a process waits for a lock that another never releases.
	timeout = 600 * time.Millisecond
)

func printID(id payment.OrderID) { fmt.Println(id) }

// claimAll claims n orders, and prints those that it got.
func claimAll(
	ctx context.Context, s *sqlitestore.Payments, n int, replica string, got func(payment.OrderID),
) error {
	usd, err := payment.ParseCurrency("USD")
	if err != nil {
		return err
	}
	money, err := payment.MoneyFromMinor(10_000, usd)
	if err != nil {
		return err
	}
	for i := range n {
		a := payment.ClaimRequest{
			OrderID: payment.OrderID(fmt.Sprintf("order-%d", i)), Money: money,
			NewKey: payment.GatewayKey(replica), Replica: replica, Lease: lease,
		}
		_, verdict, err := s.Claim(ctx, a)
		if err != nil {
			return err
		}
		if verdict == payment.VerdictClaimed {
			got(a.OrderID)
		}
	}
	return nil
}

// process is this test binary with a job.
type process struct {
	*exec.Cmd

	reading sync.WaitGroup
}

// start starts a process, and calls line with each line that it prints.
func start(t *testing.T, job, databaseURL string, line func(string)) *process {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	p := &process{Cmd: exec.CommandContext(t.Context(), program)}
	p.Env = append(os.Environ(), urlVariable+"="+databaseURL, jobVariable+"="+job)
	p.Stderr = os.Stderr
	output, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	p.reading.Go(func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			line(lines.Text())
		}
	})
	return p
}

// wait returns when the process has ended and its output was read.
func (p *process) wait() error {
	p.reading.Wait()
	return p.Wait()
}

// Two real processes claim the same orders on one file. Each order is claimed once.
func TestClaim_ConcurrentProcesses(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	s := open(t, databaseURL, sqlitestore.Options{})
	var (
		mu  sync.Mutex
		got = make(map[payment.OrderID]int)
	)
	note := func(id payment.OrderID) { mu.Lock(); got[id]++; mu.Unlock() }
	other := start(t, "claim all", databaseURL, func(id string) { note(payment.OrderID(id)) })
	require.NoError(t, claimAll(t.Context(), s, contested, "replica-a", note))
	require.NoError(t, other.wait())
	require.Len(t, got, contested)
	for id, n := range got {
		require.Equal(t, 1, n, id)
	}
}

// The same in one process, with two repositories.
func TestClaim_ConcurrentRepositories(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	const repositories = 4
	var (
		mu   sync.Mutex
		got  = make(map[payment.OrderID]int)
		errs = make(chan error, repositories)
	)
	for i := range repositories {
		s := open(t, databaseURL, sqlitestore.Options{Timeout: time.Minute}) // for a busy machine
		go func() {
			errs <- claimAll(t.Context(), s, contested, fmt.Sprintf("replica-%d", i), func(id payment.OrderID) {
				mu.Lock()
				got[id]++
				mu.Unlock()
			})
		}()
	}
	for range repositories {
		require.NoError(t, <-errs)
	}
	require.Len(t, got, contested)
	for id, n := range got {
		require.Equal(t, 1, n, id)
	}
}

// Processes migrate one new file at the same time.
func TestSchema_ConcurrentProcesses(t *testing.T) {
	t.Parallel()
	databaseURL := "sqlite:" + t.TempDir() + "/payments.db"
	var others []*process
	for range 8 {
		others = append(others, start(t, "migrate", databaseURL, func(line string) { t.Log(line) }))
	}
	for _, other := range others {
		require.NoError(t, other.wait())
	}
	require.NoError(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()))
}

// A process is killed during its claims. Nothing that it reported is lost, and the file is not locked.
func TestClaim_KilledProcess(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	s := open(t, databaseURL, sqlitestore.Options{})
	var reported []payment.OrderID
	enough := make(chan struct{})
	other := start(t, "claim for ever", databaseURL, func(id string) {
		if reported = append(reported, payment.OrderID(id)); len(reported) == 10 {
			close(enough)
		}
	})
	<-enough
	require.NoError(t, other.Process.Kill())
	require.Error(t, other.wait())

	for _, id := range reported {
		p, err := s.Find(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "replica-b", p.Replica)
	}
	_, verdict, err := s.Claim(t.Context(), request(t, "order-after"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
}

// A change waits for another process's write lock, and writes nothing if the timeout passes.
func TestWrite_WaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	s := open(t, databaseURL, sqlitestore.Options{Timeout: timeout})
	patient, a := open(t, databaseURL, sqlitestore.Options{}), request(t, "order-1")
	other := raw(t, databaseURL)
	execute(t, other, "BEGIN IMMEDIATE")
	errs := make(chan error)
	go func() {
		_, _, err := patient.Claim(t.Context(), a)
		errs <- err
	}()
	_, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.ErrorIs(t, err, ports.ErrUnavailable)
	_, err = s.Find(t.Context(), "order-1")
	require.ErrorIs(t, err, ports.ErrNotFound, "reads do not wait")
	execute(t, other, "COMMIT")
	require.NoError(t, <-errs)
}
