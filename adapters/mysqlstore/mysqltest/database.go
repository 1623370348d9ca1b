package mysqltest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// URLVariable names the environment variable with the URL of the server that
// Database uses.
const URLVariable = "TEST_MYSQL_URL"

// DatabasesVariable names the environment variable with the empty databases, separated by spaces, that
// Database takes in turn instead of creating any: Vitess cannot create a sharded one. Only one test binary
// may run at a time.
const DatabasesVariable = "TEST_MYSQL_DATABASES"

// maxPrepared is above the number of tests that run at the same time.
const maxPrepared = 1000

// dropTimeout limits the removal of a test's database.
const dropTimeout = 5 * time.Minute

// shared is the server of all databases of a test binary.
var shared sharedServer

// sharedServer is found, or started, at its first use.
type sharedServer struct {
	mu      sync.Mutex
	found   bool
	address address
	err     error
	private *Server     // nil if TEST_MYSQL_URL names the server
	names   chan string // the databases of DatabasesVariable that no test uses; nil if there are none
	// prepared are those of Prepared that no test uses.
	prepared chan string
}

// Database returns the URL, mysql://user:password@host:port/database, of a new,
// empty database, which is dropped at the end of the test. All databases of a
// test binary are on one server: the one that TEST_MYSQL_URL names, or a private,
// relaxed one (see [Config]). The test fails if there is no server.
func Database(t testing.TB) string {
	t.Helper()
	server, err := shared.get()
	if err != nil {
		t.Fatalf("mysqltest: %v", err)
	}
	if shared.names != nil {
		return shared.lend(t)
	}
	name := "paymentd_test_" + strings.ToLower(rand.Text()[:12])
	if err := server.execute(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("mysqltest: create a database: %v", err)
	}
	t.Cleanup(func() {
		// The test's context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
		defer cancel()
		if err := server.execute(ctx, "DROP DATABASE IF EXISTS "+name); err != nil {
			t.Errorf("mysqltest: drop the test's database: %v", err)
		}
	})
	return server.url(name)
}

// lend is Database if the databases exist.
func (s *sharedServer) lend(t testing.TB) string {
	t.Helper()
	var name string
	select {
	case name = <-s.names:
	default:
		select {
		case name = <-s.names:
		case name = <-s.prepared:
			s.clear(t, name, address.dropTables)
		}
	}
	t.Cleanup(func() {
		s.clear(t, name, address.dropTables)
		s.names <- name
	})
	return s.address.url(name)
}

// clear changes a database so that another test can use it.
func (s *sharedServer) clear(t testing.TB, name string, change func(address, context.Context, string) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout) // the test's context has ended
	defer cancel()
	if err := change(s.address, ctx, name); err != nil {
		t.Errorf("mysqltest: clear the database %s: %v", name, err)
	}
}

// Prepared is Database after prepare, which creates tables. On an engine with slow DDL, databases are used
// again: their rows are deleted after each test, except those of schema_migrations. The test must not
// change the tables themselves.
func Prepared(t testing.TB, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	if TestedEngine() == MySQL {
		url := Database(t)
		if err := prepare(t.Context(), url); err != nil {
			t.Fatalf("mysqltest: prepare a database: %v", err)
		}
		return url
	}
	server, err := shared.get()
	if err != nil {
		t.Fatalf("mysqltest: %v", err)
	}
	name, isNew := shared.takePrepared()
	if isNew && shared.names == nil {
		if err := server.execute(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatalf("mysqltest: create a database: %v", err)
		}
	}
	t.Cleanup(func() {
		shared.clear(t, name, address.deleteRows)
		shared.prepared <- name
	})
	if isNew {
		if err := prepare(t.Context(), server.url(name)); err != nil {
			t.Fatalf("mysqltest: prepare a database: %v", err)
		}
	}
	return server.url(name)
}

// takePrepared returns a prepared database, or the name of one to prepare.
func (s *sharedServer) takePrepared() (name string, isNew bool) {
	select {
	case name = <-s.prepared:
		return name, false
	default:
	}
	if s.names == nil {
		return "paymentd_test_" + strings.ToLower(rand.Text()[:12]), true
	}
	select {
	case name = <-s.prepared:
		return name, false
	case name = <-s.names:
		return name, true
	}
}

func (s *sharedServer) get() (address, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.found {
		s.found = true
		s.err = s.find()
	}
	return s.address, s.err
}

func (s *sharedServer) find() (err error) {
	if url := os.Getenv(URLVariable); url != "" {
		if s.address, err = parseAddress(url); err != nil {
			return fmt.Errorf("%s: %w", URLVariable, err)
		}
		s.prepared = make(chan string, maxPrepared)
		if names := strings.Fields(os.Getenv(DatabasesVariable)); len(names) > 0 {
			s.names = make(chan string, len(names))
			for _, name := range names {
				s.names <- name
			}
		}
		return nil
	}
	// Not a test's context, because the server is used by later tests.
	if s.private, err = Start(context.Background(), Config{Relaxed: true}); err != nil {
		return err
	}
	s.address = s.private.address
	return nil
}

// stop stops the server that get started.
func (s *sharedServer) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.private == nil {
		return nil
	}
	err := s.private.Stop()
	s.private = nil
	return err
}

// Tests are the tests of a package that uses Database.
type Tests struct {
	m *testing.M
}

// Main wraps m so that the shared server is stopped after the last test:
//
//	func TestMain(m *testing.M) { os.Exit(mysqltest.Main(m).Run()) }
//	func TestMain(m *testing.M) { leaktest.Main(mysqltest.Main(m)) }
//
// Without it, a package leaves nothing behind either, but leaktest finds the
// goroutine that waits for the server.
func Main(m *testing.M) Tests { return Tests{m: m} }

// Run runs the tests and returns the exit code.
func (t Tests) Run() int {
	code := t.m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintf(os.Stderr, "mysqltest: stop the shared server: %v\n", err)
		return max(code, 1)
	}
	return code
}
