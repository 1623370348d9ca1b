package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"paymentd/internal/doctor"
)

// vtgate is what only VTGate answers.
type vtgate struct {
	version string
	mode    string // of transactions
	shards  int
	vindex  string // the type of the vindex of payments; empty if there is none
}

// readVTGate reads what is special to Vitess.
func (s *Payments) readVTGate(ctx context.Context, conn *sql.Conn, v *server) error {
	if v.engine() != engineVitess {
		return nil
	}
	var found vtgate
	if err := conn.QueryRowContext(ctx, "SELECT @@version_comment, @@transaction_mode").Scan(&found.version, &found.mode); err != nil {
		return fmt.Errorf("read VTGate's settings: %w", err)
	}
	ends, err := shardEnds(ctx, conn, s.config.DBName)
	if err != nil {
		return fmt.Errorf("read the shards: %w", err)
	}
	found.shards = len(ends) + 1
	if found.shards > 1 {
		if found.vindex, err = vindexType(ctx, conn); err != nil {
			return fmt.Errorf("read the vindex of payments: %w", err)
		}
	}
	v.vtgate = found
	return nil
}

// vindexType returns the type of the primary vindex of payments; empty if the VSchema has none.
func vindexType(ctx context.Context, conn *sql.Conn) (kind string, err error) {
	rows, err := conn.QueryContext(ctx, "SHOW VSCHEMA VINDEXES ON payments")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		var columns, name, parameters, owner sql.NullString
		err = rows.Scan(&columns, &name, &kind, &parameters, &owner)
	}
	return kind, errors.Join(err, rows.Err())
}

// vitess checks VTGate and the VSchema.
func vitess(v server) []doctor.Finding {
	if v.engine() != engineVitess {
		return nil
	}
	found := []doctor.Finding{
		doctor.Of("transaction_mode", v.vtgate.mode, !strings.EqualFold(v.vtgate.mode, "SINGLE"), doctor.Fail,
			"Start VTGate with --transaction-mode=MULTI: the claims of a lost replica are released with one statement for "+
				"several shards, which SINGLE refuses."),
	}
	if v.vtgate.shards == 1 {
		return append(found, doctor.Good("shards", "1"))
	}
	return append(found,
		doctor.Good("shards", fmt.Sprintf("%d; the settings below are those of one of them", v.vtgate.shards)),
		doctor.Of("vindex", v.vtgate.vindex, v.vtgate.vindex == "binary_md5", doctor.Warn,
			"Use the VSchema of sql/vitess: with another vindex than binary_md5, the service cannot make each batch for one "+
				"shard, which is slower."))
}

// tidb checks the settings of TiDB.
func tidb(v server) []doctor.Finding {
	if v.engine() != engineTiDB {
		return nil
	}
	mode := v.variables["tidb_txn_mode"]
	source := v.variables["tidb_replica_read"]
	staleness := v.variables["tidb_read_staleness"]
	return []doctor.Finding{
		doctor.Of("tidb_txn_mode", mode, strings.EqualFold(mode, "pessimistic"), doctor.Fail,
			"Set it to pessimistic, the default: an optimistic transaction takes no row lock, so that a conflict fails a request "+
				"at its COMMIT."),
		doctor.Of("tidb_replica_read", source, strings.EqualFold(source, "leader"), doctor.Warn,
			"Set it to leader, the default: only this was tested."),
		doctor.Of("tidb_read_staleness", staleness, staleness == "" || staleness == "0", doctor.Fail,
			"Set it to 0, the default: a request that waits for another one would read old rows."),
	}
}
