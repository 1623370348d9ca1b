package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	readyLimit = time.Minute
	stopLimit  = 30 * time.Second // above the PAYMENTD_SHUTDOWN of the replicas
)

// child is a paymentd that runs as a process of its own, until stop, or until this process
// ends, whatever ends it.
type child struct {
	url   string // where it serves
	began time.Time
	// readyAfter is how long after its exec it was ready.
	readyAfter time.Duration
	command    *exec.Cmd
	log        string
	over       chan struct{} // closed at its end
	leash      io.Closer
	killer     *exec.Cmd
}

// startChild runs the binary with the variables of env and no others, and with a log in folder.
func startChild(folder, name, binary, url string, env []string, args ...string) (*child, error) {
	c := &child{url: url, log: filepath.Join(folder, name+".log"), over: make(chan struct{})}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("make the log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	// Not CommandContext: it is stopped in good order.
	c.command = exec.Command(binary, args...) //nolint:gosec,noctx // our own binary; see above
	c.command.Dir, c.command.Env = folder, append([]string{}, env...)
	c.command.Stdout, c.command.Stderr = log, log
	// A group of its own, so that Ctrl-C leaves it to us.
	c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.began = time.Now()
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = c.command.Wait() // how it ended is in its log
		close(c.over)
	}()
	if err := c.leashIt(); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// leashIt has a shell kill the child, and remove its folder, when the pipe that it reads is
// closed: which the end of this process does, however it ends.
func (c *child) leashIt() error {
	const script = `read -r _; kill -9 "$1"; rm -rf -- "$2"`
	// Not CommandContext: it must outlive this process.
	c.killer = exec.Command("/bin/sh", "-c", script, "bench-leash", strconv.Itoa(c.pid()), c.command.Dir) //nolint:gosec,noctx // our own script
	c.killer.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if c.leash, err = c.killer.StdinPipe(); err != nil {
		return fmt.Errorf("connect what ends a process with this one: %w", err)
	}
	if err := c.killer.Start(); err != nil {
		return fmt.Errorf("start what ends a process with this one: %w", err)
	}
	return nil
}

func (c *child) pid() int { return c.command.Process.Pid }

// ready waits until the path answers 200.
func (c *child) ready(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		if answers(ctx, c.url+path) {
			c.readyAfter = time.Since(c.began)
			return nil
		}
		select {
		case <-c.over:
			return fmt.Errorf("%s has ended before it was ready: %s", c.command.Path, c.lastWords())
		default:
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("%s was not ready in time: %w: %s", c.url, err, c.lastWords())
		}
	}
}

// answers reports whether a GET is answered by 200.
func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// stop ends the child in good order, or by force when that takes too long.
func (c *child) stop() error {
	_ = c.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.over:
		c.kill()
		return nil
	case <-time.After(stopLimit):
		c.kill()
		return fmt.Errorf("%s did not stop in time: %s", c.url, c.lastWords())
	}
}

// kill ends the child, and what would end it.
func (c *child) kill() {
	_ = c.command.Process.Kill() // it may have ended
	<-c.over
	if c.killer == nil || c.killer.Process == nil {
		return
	}
	_ = c.killer.Process.Kill()
	_ = c.killer.Wait() // how it ended is known
}

// lastWords are the last lines of its log.
func (c *child) lastWords() string {
	const most = 3
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// freeAddress returns a host:port that nobody listens on, below the range of ports that Linux
// gives to outgoing connections.
func freeAddress(ctx context.Context) (string, error) {
	const lowest, highest, tries = 12000, 32000, 20
	var err error
	for range tries {
		var l net.Listener
		port := lowest + rand.IntN(highest-lowest) //nolint:gosec // a port is no secret
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
