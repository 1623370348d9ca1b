package mysqltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// engineTimeout limits one request to a container engine.
const engineTimeout = 30 * time.Second

// process is one run of a server.
type process struct {
	command *exec.Cmd
	name    string // of its container, if it runs in one
	inside  container
	reaper  *reaper
	log     string        // the path of its log
	over    chan struct{} // closed when it has ended; err may be read after that
	err     error         // of Wait
}

// startProcess runs the program. The reaper kills it when this process ends.
func startProcess(run program, clean *reaper, name, folder string, args []string) (*process, error) {
	return (&process{command: run.server(name, folder, args), name: name, inside: run.container, reaper: clean}).start(folder)
}

// startCommand is startProcess for a program of this machine.
func startCommand(command *exec.Cmd, clean *reaper, folder, name string) (*process, error) {
	return (&process{command: command, name: name, reaper: clean}).start(folder)
}

func (p *process) start(folder string) (*process, error) {
	p.log, p.over = filepath.Join(folder, p.name+".log"), make(chan struct{})
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("create the server's log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own; nothing was written through ours
	p.command.Stdout, p.command.Stderr = log, log
	// A group of its own, so that Ctrl-C does not stop it while tests still use it.
	if p.command.SysProcAttr == nil {
		p.command.SysProcAttr = &syscall.SysProcAttr{}
	}
	p.command.SysProcAttr.Setpgid = true
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("run the server: %w", err)
	}
	if err := p.reaper.atEnd(p.killCommand()); err != nil {
		_ = p.command.Process.Kill()
		_ = p.command.Wait()
		return nil, err
	}
	go func() {
		p.err = p.command.Wait()
		close(p.over)
	}()
	return p, nil
}

// waitReady waits until the process answers at the address. If it does not, it is killed.
func (p *process) waitReady(ctx context.Context, at address) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := at.execute(ctx, "SELECT 1")
		if err == nil && !p.isOver() {
			return nil
		}
		select {
		case <-p.over:
			return p.failure()
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not ready: %w", err), p.failure(), p.kill())
		case <-time.After(readyPoll):
		}
	}
}

// kill kills the server, if it runs, and waits until it has exited.
func (p *process) kill() error {
	if !p.isOver() {
		if err := p.sendKill(); err != nil && !p.isOver() {
			return err
		}
		<-p.over
	}
	// From here on, another process may have its number.
	return p.reaper.atEnd("")
}

func (p *process) sendKill() error {
	if p.inside.image == "" {
		return p.command.Process.Kill()
	}
	// Killing the engine's client would leave the server running.
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "docker", "kill", p.name).CombinedOutput(); err != nil {
		return fmt.Errorf("docker kill %s: %w: %s", p.name, err, out)
	}
	return nil
}

// killCommand is the command by which the reaper kills the server.
func (p *process) killCommand() string {
	if p.inside.image == "" {
		return fmt.Sprintf("kill -9 %d", p.command.Process.Pid)
	}
	return "docker rm --force " + p.name
}

// isOver reports whether the process has ended.
func (p *process) isOver() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// failure describes, from the server's log, why it does not run.
func (p *process) failure() error {
	written, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("read the server's log: %w", err)
	}
	if bytes.Contains(bytes.ToLower(written), []byte("address already in use")) {
		return errPortTaken
	}
	return fmt.Errorf("the server wrote:\n%s", lastLines(written))
}

// lastLines returns the end of a log.
func lastLines(log []byte) string {
	const limit = 15
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-limit):], "\n")
}

// pause waits until the context ends, at most.
func pause(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}

// randomBetween returns a number from lowest up to, not including, highest.
func randomBetween(lowest, highest int) int {
	return lowest + rand.IntN(highest-lowest) //nolint:gosec // a port to try is no secret
}
