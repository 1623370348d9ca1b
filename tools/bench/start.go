package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

const starts = 10

// start is how long the service takes from its exec until it is ready, on a database that
// exists.
type start struct {
	Database string `json:"database"`
	MS       spread `json:"ms"`
}

func (r *rig) start(ctx context.Context, found *report) error {
	url, err := r.server.CreateDatabase(ctx, "start")
	if err != nil {
		return err
	}
	for _, d := range []struct{ name, url string }{
		{"MySQL", url}, {"SQLite", "sqlite:" + filepath.Join(r.folder, "start.db")},
	} {
		took, err := r.startsOn(ctx, d.url)
		if err != nil {
			return err
		}
		found.Special.Start = append(found.Special.Start, start{Database: d.name, MS: spreadOf(took)})
	}
	return nil
}

// startsOn starts the service again and again. The first start, which makes the schema, does
// not count.
func (r *rig) startsOn(ctx context.Context, url string) (took []float64, err error) {
	s, err := r.newSystemOn(ctx, url, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for range starts {
		if err := s.replica.stop(); err != nil {
			return nil, err
		}
		again, err := r.startReplica(ctx, url, s.gateway)
		if err != nil {
			return nil, err
		}
		s.replica = again
		took = append(took, float64(again.readyAfter)/float64(time.Millisecond))
	}
	return took, nil
}

func (s start) text(p *page) {
	p.line("\nfrom exec to ready on an existing database, %s: %.0f ms (%.0f-%.0f of %d starts)",
		s.Database, s.MS.Median, s.MS.Min, s.MS.Max, starts)
}
