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
	readyTimeout = 5 * time.Minute        // a start takes 1 s on an idle machine
	readyPoll    = 50 * time.Millisecond  // between two logins to a starting server
	portTries    = 20                     // limits the tries to get a port
	portPause    = 250 * time.Millisecond // before the next try to get the same port
)

// errPortTaken is the error of a start that may succeed with another port.
var errPortTaken = errors.New("the port is in use")

// Config configures a server. The zero value is as durable as in production.
type Config struct {
	// Relaxed lets the operating system decide when to write to disk. That is
	// several times faster. A loss of power loses the latest commits; a kill of the
	// server does not.
	Relaxed bool

	// Args are further options that both MySQL and MariaDB know, such as
	// --innodb-lock-wait-timeout=3.
	Args []string

	// Galera is set if the server is a node of a Galera cluster.
	Galera *GaleraNode
}

// GaleraNode is how a node starts. Its other options are in Config.Args.
type GaleraNode struct {
	// Bootstraps: its first start creates the cluster. Every other start joins it.
	Bootstraps bool
	// Password of the user of the tests, the same for all nodes, because a node that joins copies all users.
	Password string
}

// Server is a private instance. Only its method URL is safe for concurrent use.
type Server struct {
	program program
	folder  string
	reaper  *reaper
	config  Config
	address address
	process *process // the latest one
	starts  int
}

// Start runs a server on a free port of the loopback interface, with a new, empty
// data folder, and returns when it answers. The context limits the start only. The
// server runs until Stop, or until this process ends.
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
		// The password distinguishes this server from another one on the same port.
		address: address{user: "paymentd", password: rand.Text()},
	}
	if config.Galera != nil {
		server.address.password = config.Galera.Password
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

// prepare creates the files in the server's folder.
func (s *Server) prepare(from *template) error {
	if err := from.copyTo(s.folder); err != nil {
		return err
	}
	// The server runs these at each start, before it accepts clients. The user has an
	// address, because the server does not resolve the name of 127.0.0.1. They are
	// not in the binary log, because a server with transactions of its own cannot join
	// a group.
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

// URL returns mysql://user:password@127.0.0.1:port/database, which Restart does not
// change. It does not create the database; see CreateDatabase.
func (s *Server) URL(database string) string { return s.address.url(database) }

// CreateDatabase creates an empty database and returns its URL.
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

// Kill kills the server like kill -9, with all its connections, and returns when it
// has ended. It does nothing if the server is down.
func (s *Server) Kill() error {
	if err := s.process.kill(); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	return nil
}

// Restart runs the server again, on the same port and data folder, and returns when
// it answers. It first kills a server that runs.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	var err error
	for range portTries {
		if err = s.run(ctx); !errors.Is(err, errPortTaken) {
			break
		}
		// Another process has the port. Most processes do not keep one for long.
		if pause(ctx, portPause) != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("restart the server: %w", err)
	}
	return nil
}

// PIDs implements Killable.
func (s *Server) PIDs() []int { return []int{s.process.command.Process.Pid} }

// Stop stops the server and removes its folder. It cannot be restarted.
func (s *Server) Stop() error {
	return errors.Join(s.Kill(), s.reaper.reap())
}

// run starts one process and waits until it answers.
func (s *Server) run(ctx context.Context) error {
	s.starts++
	name := fmt.Sprintf("%s-%d", filepath.Base(s.folder), s.starts)
	running, err := startProcess(s.program, s.reaper, name, s.folder, s.options())
	if err != nil {
		return err
	}
	s.process = running
	return running.waitReady(ctx, s.address)
}

// options are the program's options and this server's.
func (s *Server) options() []string {
	_, port, _ := net.SplitHostPort(s.address.host) // made by freeAddress
	options := append(s.program.options(s.folder),
		"--bind-address=127.0.0.1",
		"--port="+port,
		"--socket="+filepath.Join(s.folder, "socket"),
		"--pid-file="+filepath.Join(s.folder, "pid"),
		"--skip-name-resolve",
		"--max-connections=1000",
		"--table-open-cache=400",
	)
	if s.config.Relaxed {
		options = append(options, "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0")
	} else {
		options = append(options, "--innodb-flush-log-at-trx-commit=1")
	}
	return append(append(options, s.config.Args...), s.firstOptions()...)
}

// firstOptions are those of the start that creates the users. A node that joins a Galera cluster may not write, and
// copies them.
func (s *Server) firstOptions() []string {
	options := []string{"--init-file=" + s.initFile()}
	switch node := s.config.Galera; {
	case node == nil:
		return options
	case node.Bootstraps && s.starts == 1:
		return append(options, "--wsrep-new-cluster")
	}
	return nil
}

// freeAddress returns a port without a listener.
//
// The port is below the range that Linux uses for outgoing connections (32768 and
// up). A client that retries a connection to a stopped server could otherwise get
// that port, connect to itself, and prevent the server from restarting.
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
