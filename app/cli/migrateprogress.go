package cli

import (
	"fmt"
	"sync"
	"time"
)

// stepProgress shows which migration runs, and for how long. A migration is one statement, so that the database alone
// knows how far it is.
type stepProgress struct {
	line *progress
	stop chan struct{}
	done sync.WaitGroup

	mu              sync.Mutex
	version, latest uint
	began           time.Time
}

// newStepProgress shows nothing until the first migration begins.
func newStepProgress(line *progress) *stepProgress {
	p := &stepProgress{line: line, stop: make(chan struct{})}
	if line.out != nil {
		p.done.Go(p.run)
	}
	return p
}

// begin records that a migration begins.
func (p *stepProgress) begin(version, latest uint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version, p.latest, p.began = version, latest, time.Now()
}

func (p *stepProgress) run() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.show()
		case <-p.stop:
			p.line.end()
			return
		}
	}
}

func (p *stepProgress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		return
	}
	_, _ = fmt.Fprintf(p.line.out, "%smigration %d of %d: %s", clearLine, p.version, p.latest, time.Since(p.began).Round(time.Second))
}

// end erases the line.
func (p *stepProgress) end() {
	close(p.stop)
	p.done.Wait()
}
