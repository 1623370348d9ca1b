package core

import (
	"slices"
	"strings"
	"sync"
	"time"

	"paymentd/ports"
)

// maxPeers bounds the replicas that are remembered.
const maxPeers = 1000

// rememberExpired is for how long a replica whose heartbeats expired is shown.
const rememberExpired = 15 * time.Minute

// ReplicaStatus is a replica as this process last saw it. It costs no query: the queue reads the heartbeats anyway.
type ReplicaStatus struct {
	Name string
	Self bool // this process
	// Age is how old the latest stored heartbeat is; negative if this process has stored none yet.
	Age time.Duration
	// Expired: the heartbeats expired, and the claims were released for other replicas to take over. Age is then
	// the time since.
	Expired bool
}

// peers remembers the heartbeats that the queue reads. Its zero value is ready to use.
type peers struct {
	mu         sync.Mutex
	own        time.Time // when the latest own heartbeat was stored; zero before the first
	readAt     time.Time
	heartbeats []ports.Heartbeat
	expired    map[string]time.Time
}

// stored records that this replica stored a heartbeat.
func (p *peers) stored(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = now
}

// observed records the heartbeats of the other replicas, and which of them have expired.
func (p *peers) observed(now time.Time, heartbeats, expired []ports.Heartbeat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readAt, p.heartbeats = now, slices.Clone(heartbeats[:min(len(heartbeats), maxPeers)])
	for name, at := range p.expired {
		if now.Sub(at) > rememberExpired {
			delete(p.expired, name)
		}
	}
	if p.expired == nil {
		p.expired = make(map[string]time.Time)
	}
	for _, h := range expired {
		if len(p.expired) < maxPeers {
			p.expired[h.Replica] = now
		}
	}
	for _, h := range heartbeats {
		if !slices.ContainsFunc(expired, func(e ports.Heartbeat) bool { return e.Replica == h.Replica }) {
			delete(p.expired, h.Replica) // it is back
		}
	}
}

// Replicas returns this replica, and then the others by name. It is empty before the queue runs.
func (s *Service) Replicas() []ReplicaStatus {
	p := &s.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	own := ReplicaStatus{Name: s.Replica, Self: true, Age: -1}
	if !p.own.IsZero() {
		own.Age = now.Sub(p.own)
	}
	all := []ReplicaStatus{own}
	for _, h := range p.heartbeats {
		if _, expired := p.expired[h.Replica]; !expired {
			all = append(all, ReplicaStatus{Name: h.Replica, Age: h.Age + now.Sub(p.readAt)})
		}
	}
	for name, at := range p.expired {
		all = append(all, ReplicaStatus{Name: name, Age: now.Sub(at), Expired: true})
	}
	slices.SortFunc(all[1:], func(a, b ReplicaStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}
