package mysqlstore

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the hash of Vitess' vindex binary_md5; it protects nothing
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"paymentd/core/payment"
	"paymentd/internal/groupcommit"
	"paymentd/ports"
)

// engine is a kind of server whose differences from MySQL matter to the repository.
type engine string

const (
	engineMySQL   engine = "mysql" // and compatible servers that need no special treatment
	engineMariaDB engine = "mariadb"
	engineTiDB    engine = "tidb"
	engineVitess  engine = "vitess"
)

// engineOf returns the engine that a server's version names.
func engineOf(versions string) engine {
	named := strings.ToLower(versions)
	for _, kind := range []engine{engineTiDB, engineVitess, engineMariaDB} {
		if strings.Contains(named, string(kind)) {
			return kind
		}
	}
	return engineMySQL
}

// skipsLocked reports whether SKIP LOCKED locks the rows that it returns. TiDB parses the clause, and
// then locks nothing (pingcap/tidb issue 18207).
func (e engine) skipsLocked() bool { return e != engineTiDB }

// commitsInParts reports whether a statement or a transaction of several rows can be stored in part:
// Vitess commits shard by shard ("Distributed Transactions", transaction mode MULTI).
func (e engine) commitsInParts() bool { return e == engineVitess }

// maxCounted limits the rows that a count reads. A tablet of Vitess returns 10,000 at most
// (--queryserver-config-max-result-size).
func (e engine) maxCounted() int {
	if e == engineVitess {
		return min(10_000, ports.MaxBacklog)
	}
	return ports.MaxBacklog
}

// maxShards limits the shards that get batches of their own. With more, a statement may span shards.
const maxShards = 64

// topology is the server's engine, and how it shards the payments. It never changes; a new one
// replaces it.
type topology struct {
	engine engine
	// ends are the ends of the shards' ranges of keyspace ids, in ascending order, without the last
	// shard's, which has no end. It is empty if there is one shard.
	ends [][]byte
	// The batches of each shard; nil if commits are not shared.
	claims      []*groupcommit.Batcher[*insertClaim]
	settlements []*groupcommit.Batcher[*fastSettle]
}

// shards returns the number of shards.
func (t *topology) shards() int { return len(t.ends) + 1 }

// shardOf returns the number of an order's shard, from 0. It is right if order_id is a vindex of type
// binary_md5, as in sql/vitess: the keyspace id is the MD5 of the order id ("Vindexes", Vitess manual).
// With another vindex, or during a reshard, statements span shards: slower, and still safe.
func (t *topology) shardOf(order payment.OrderID) int {
	if len(t.ends) == 0 {
		return 0
	}
	id := md5.Sum([]byte(order)) //nolint:gosec // see the import
	shard, found := slices.BinarySearchFunc(t.ends, id[:], bytes.Compare)
	if found {
		shard++ // a range does not contain its upper bound
	}
	return shard
}

// claimedTogether groups orders whose payments one transaction claims: those of one shard, or single ones
// if a locked row would make the transaction fail.
func (t *topology) claimedTogether(orders []payment.OrderID) [][]payment.OrderID {
	if !t.engine.skipsLocked() {
		return slices.Collect(slices.Chunk(orders, 1))
	}
	groups := make([][]payment.OrderID, t.shards())
	for _, order := range orders {
		shard := t.shardOf(order)
		groups[shard] = append(groups[shard], order)
	}
	var together [][]payment.OrderID
	for _, group := range groups {
		together = slices.AppendSeq(together, slices.Chunk(group, maxBatchRows))
	}
	return together
}

// known returns the topology, and reads it from the server if that was not done yet.
func (s *Payments) known(ctx context.Context) (*topology, error) {
	if t := s.topology.Load(); t != nil {
		return t, nil
	}
	if err := s.learn(ctx); err != nil {
		return nil, fmt.Errorf("read the server's kind: %w", err)
	}
	return s.topology.Load(), nil
}

// learn reads the topology from the server. It is repeated with each check of the schema, so that a
// reshard is noticed.
func (s *Payments) learn(ctx context.Context) error {
	return s.retry(ctx, ctx, func(waiting, using context.Context) error {
		return s.onConn(waiting, using, func(ctx context.Context, conn *sql.Conn) error {
			var version string
			if err := conn.QueryRowContext(ctx, "SELECT @@version").Scan(&version); err != nil {
				return err
			}
			return s.learnFrom(ctx, conn, version)
		})
	})
}

// learnFrom is learn for a server whose version is known.
func (s *Payments) learnFrom(ctx context.Context, conn *sql.Conn, version string) error {
	kind := engineOf(version)
	var ends [][]byte
	if kind == engineVitess {
		var err error
		if ends, err = shardEnds(ctx, conn, s.config.DBName); err != nil {
			return fmt.Errorf("read the shards: %w", err)
		}
	}
	old := s.topology.Load()
	if old == nil || old.engine != kind || !slices.EqualFunc(old.ends, ends, bytes.Equal) {
		s.topology.CompareAndSwap(old, s.newTopology(kind, ends))
	}
	return nil
}

func (s *Payments) newTopology(kind engine, ends [][]byte) *topology {
	t := &topology{engine: kind, ends: ends}
	if s.commitsAlone {
		return t
	}
	for range min(t.shards(), maxShards) {
		t.claims = append(t.claims, groupcommit.NewBatcher(maxBatchRows, maxConcurrent, stallAfter, s.insertBatch))
		t.settlements = append(t.settlements, groupcommit.NewBatcher(maxBatchRows, maxConcurrent, stallAfter, s.settleBatch))
	}
	return t
}

// shardEnds reads the ranges of the keyspace's shards, whose names are keyspace/start-end in hexadecimal,
// or keyspace/0 for a keyspace with one ("SHOW VITESS_SHARDS", Vitess manual).
func shardEnds(ctx context.Context, conn *sql.Conn, database string) (ends [][]byte, err error) {
	keyspace, _, _ := strings.Cut(database, "@") // the database may name a type of tablet
	rows, err := conn.QueryContext(ctx, "SHOW VITESS_SHARDS")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		space, shard, _ := strings.Cut(name, "/")
		_, upTo, ranged := strings.Cut(shard, "-")
		if space != keyspace || !ranged || upTo == "" {
			continue
		}
		end, err := hex.DecodeString(upTo)
		if err != nil {
			return nil, fmt.Errorf("shard %q: %w", name, err)
		}
		ends = append(ends, end)
	}
	slices.SortFunc(ends, bytes.Compare)
	return slices.CompactFunc(ends, bytes.Equal), rows.Err()
}

// batcherOf returns the batches of an order's shard; nil if commits are not shared.
func batcherOf[C batchable](t *topology, batchers []*groupcommit.Batcher[C], order payment.OrderID) *groupcommit.Batcher[C] {
	if len(batchers) == 0 {
		return nil
	}
	return batchers[t.shardOf(order)%len(batchers)]
}

// classifyBatch is classifyCommit for a statement of several rows.
func (s *Payments) classifyBatch(err error, rows int) error {
	err = classifyCommit(err)
	if t := s.topology.Load(); err != nil && rows > 1 && t != nil && t.engine.commitsInParts() {
		if _, ambiguous := errors.AsType[*ambiguousCommitError](err); !ambiguous {
			return &ambiguousCommitError{err} // of one shard; another one may have committed
		}
	}
	return err
}
