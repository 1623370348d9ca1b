package mysqltest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	readyTimeout = time.Minute            // a start takes 1 s on an idle machine
	readyPoll    = 50 * time.Millisecond  // between two attempts to log in to a starting server
	portTries    = 20                     // before a start gives up finding, or getting back, a port
	portPause    = 250 * time.Millisecond // before asking for a taken port again
)

// errPortTaken is a start's failure that another attempt may cure.
var errPortTaken = errors.New("the port is in use")

// Config shapes a server. The zero value is a server as durable as in production.
type Config struct {
	// Relaxed leaves it to the operating system when to write to disk. That is
	// several times faster, and loses what was committed last when the machine
	// loses power, but not when the server alone is killed.
	Relaxed bool

	// Args are further options for the server's command line, which both MySQL
	// and MariaDB must know, such as --innodb-lock-wait-timeout=3.
	Args []string
}

// Server is a private instance. All its methods but URL are for one goroutine
// at a time.
type Server struct {
	program program
	folder  string
	reaper  *reaper
	config  Config
	address address
	process *process // the last one started
	starts  int
}

// Start runs a server on a free port of the loopback interface, with a new and
// empty data folder, and returns when it answers. The context bounds the start,
// not the server's life: that ends with Stop, or with this process.
func Start(ctx context.Context, config Config) (*Server, error) {
	prepared, err := templates()
	if err != nil {
		return nil, err
	}
	folder, clean, err := newFolder()
	if err != nil {
		return nil, err
	}
	server := &Server{
		program: prepared.program,
		folder:  folder,
		reaper:  clean,
		config:  config,
		// The password tells this server from one that took the port first.
		address: address{user: "paymentd", password: rand.Text()},
	}
	if err := server.prepare(prepared); err != nil {
		return nil, errors.Join(err, clean.reap())
	}
	for range portTries {
		if server.address.host, err = freeAddress(ctx); err != nil {
			break
		}
		if err = server.run(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a server: %w", err), clean.reap())
	}
	return server, nil
}

// prepare fills the server's folder.
func (s *Server) prepare(from *template) error {
	if err := from.copyTo(s.folder); err != nil {
		return err
	}
	// Read at each start, before the first client is let in. By its address,
	// as the server is told not to look up the name of 127.0.0.1. Not logged: a server
	// with transactions of its own is not let into a group.
	statements := fmt.Sprintf("SET SESSION sql_log_bin = 0;\n"+
		"CREATE USER IF NOT EXISTS '%[1]s'@'127.0.0.1' IDENTIFIED BY '%[2]s';\n"+
		"GRANT ALL PRIVILEGES ON *.* TO '%[1]s'@'127.0.0.1' WITH GRANT OPTION;\n",
		s.address.user, s.address.password)
	if err := os.WriteFile(s.initFile(), []byte(statements), 0o600); err != nil {
		return fmt.Errorf("write the server's first statements: %w", err)
	}
	return nil
}

func (s *Server) initFile() string { return filepath.Join(s.folder, "init.sql") }

// URL returns mysql://user:password@127.0.0.1:port/database. It does not make
// the database: see CreateDatabase. It stays the same across Restart.
func (s *Server) URL(database string) string { return s.address.url(database) }

// CreateDatabase makes an empty database and returns its URL.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	if err := s.address.execute(ctx, "CREATE DATABASE `"+name+"`"); err != nil {
		return "", fmt.Errorf("create the database %s: %w", name, err)
	}
	return s.URL(name), nil
}

// Execute runs a statement as the user of the tests.
func (s *Server) Execute(ctx context.Context, statement string) error {
	if err := s.address.execute(ctx, statement); err != nil {
		return fmt.Errorf("execute %q: %w", statement, err)
	}
	return nil
}

// Kill ends the server as kill -9 does, with all its connections, and returns
// when it is gone. A server that is down already stays so.
func (s *Server) Kill() error {
	if err := s.process.kill(); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	return nil
}

// Restart runs the server again, on the port and the data folder that it had,
// and returns when it answers. One that still runs is killed first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	var err error
	for range portTries {
		if err = s.run(ctx); !errors.Is(err, errPortTaken) {
			break
		}
		// A stranger has the port now. It is not ours to change, but a
		// stranger's ports tend to be short-lived.
		if pause(ctx, portPause) != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("restart the server: %w", err)
	}
	return nil
}

// Stop ends the server and removes its folder. It cannot be restarted.
func (s *Server) Stop() error {
	return errors.Join(s.Kill(), s.reaper.reap())
}

// run starts one process and waits until it answers.
func (s *Server) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	s.starts++
	name := fmt.Sprintf("%s-%d", filepath.Base(s.folder), s.starts)
	running, err := startProcess(s.program, s.reaper, name, s.folder, s.options())
	if err != nil {
		return err
	}
	s.process = running
	for {
		err := s.address.execute(ctx, "DO 1")
		if err == nil && !running.isOver() {
			return nil
		}
		select {
		case <-running.over:
			return running.failure()
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not ready: %w", err), running.failure(), running.kill())
		case <-time.After(readyPoll):
		}
	}
}

// options are those of the program and those of this server.
func (s *Server) options() []string {
	_, port, _ := net.SplitHostPort(s.address.host) // made by freeAddress
	options := append(s.program.options(s.folder),
		"--bind-address=127.0.0.1",
		"--port="+port,
		"--socket="+filepath.Join(s.folder, "socket"),
		"--pid-file="+filepath.Join(s.folder, "pid"),
		"--init-file="+s.initFile(),
		"--skip-name-resolve",
		"--max-connections=1000",
		"--table-open-cache=400",
	)
	if s.config.Relaxed {
		options = append(options, "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0")
	} else {
		options = append(options, "--innodb-flush-log-at-trx-commit=1")
	}
	return append(options, s.config.Args...)
}

// freeAddress finds a port that nobody listens on now.
//
// It is taken from below the range that Linux gives to outgoing connections
// (32768 and up). A client that keeps trying to reach a server that is down
// would otherwise, sooner or later, be given that very port, connect to
// itself, and keep the server from coming back.
func freeAddress(ctx context.Context) (string, error) {
	const lowest, highest = 12000, 32000
	var err error
	for range portTries {
		var listener net.Listener
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(randomBetween(lowest, highest)))
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", at)
		if err == nil {
			return at, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
