package mysqlstore

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/internal/doctor"
)

// These checks are about states that a test cannot produce with a server of its own.

func TestDoctor_Versions(t *testing.T) {
	t.Parallel()
	for version, level := range map[string]doctor.Level{
		"9.7.0":                          doctor.OK,
		"8.4.10":                         doctor.OK,
		"8.0.36":                         doctor.Warn,
		"5.7.44-log":                     doctor.Fail,
		"10.11.9-MariaDB-ubu2204":        doctor.OK,
		"11.4.2-MariaDB":                 doctor.OK,
		"10.6.18-MariaDB":                doctor.Warn,
		"10.5.9-MariaDB":                 doctor.Fail,
		"5.5.5-10.11.9-MariaDB":          doctor.OK,
		"8.0.11-TiDB-v8.1.0":             doctor.Warn,
		"8.0.30-Vitess":                  doctor.Warn,
		"unheard of":                     doctor.Warn,
		"8.0.mysql_aurora.3.05.2":        doctor.Warn,
		"10.11.8-MariaDB-deb12-wsrep_26": doctor.OK,
	} {
		found := versions(server{version: version})
		require.Equal(t, level, found[0].Level, "%s: %+v", version, found)
	}
}

func TestDoctor_Clock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead, roundTrip time.Duration
		level            doctor.Level
		says             string
	}{
		{900 * time.Millisecond, 0, doctor.OK, "900ms ahead of this machine's"},
		{-900 * time.Millisecond, 0, doctor.OK, "900ms behind this machine's"},
		{1100 * time.Millisecond, 0, doctor.Warn, "1.1s ahead of this machine's"},
		{-1100 * time.Millisecond, 10 * time.Millisecond, doctor.Warn, "1.1s behind this machine's, ± 5ms"},
		{1100 * time.Millisecond, 300 * time.Millisecond, doctor.OK, "± 150ms"}, // within the round trip
	} {
		found := clock(server{ahead: c.ahead, roundTrip: c.roundTrip})[0]
		require.Equal(t, c.level, found.Level, c)
		require.Contains(t, found.Found, c.says)
	}
}

func TestDoctor_SessionVariablesLostByAProxy(t *testing.T) {
	t.Parallel()
	right := map[string]string{
		"time_zone": "+00:00", "sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION", "autocommit": "1",
		"innodb_lock_wait_timeout": "2",
	}
	require.Equal(t, doctor.OK, sessions(server{session: right})[0].Level)
	for name, value := range map[string]string{
		"time_zone": "SYSTEM", "sql_mode": "", "autocommit": "0", "innodb_lock_wait_timeout": "50",
	} {
		wrong := maps.Clone(right)
		wrong[name] = value
		found := sessions(server{session: wrong})[0]
		require.Equal(t, doctor.Fail, found.Level, name)
		require.Contains(t, found.Found, name)
	}
}

func TestDoctor_GroupReplication(t *testing.T) {
	t.Parallel()
	require.Empty(t, group(server{variables: map[string]string{"group_replication_group_name": ""}}), "no group")
	right := map[string]string{
		"group_replication_group_name":                   "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
		"group_replication_single_primary_mode":          "ON",
		"group_replication_consistency":                  "BEFORE_ON_PRIMARY_FAILOVER",
		"group_replication_unreachable_majority_timeout": "10",
		"group_replication_exit_state_action":            "OFFLINE_MODE",
		"group_replication_start_on_boot":                "ON",
	}
	found := group(server{variables: right})
	require.Len(t, found, 5)
	require.Zero(t, doctor.Count(found, doctor.Warn))
	for name, value := range map[string]string{
		"group_replication_single_primary_mode":          "OFF",
		"group_replication_consistency":                  "EVENTUAL",
		"group_replication_unreachable_majority_timeout": "0",
		"group_replication_exit_state_action":            "READ_ONLY",
		"group_replication_start_on_boot":                "OFF",
	} {
		wrong := maps.Clone(right)
		wrong[name] = value
		require.Equal(t, 1, doctor.Count(group(server{variables: wrong}), doctor.Warn), name)
	}
}

func TestDoctor_Galera(t *testing.T) {
	t.Parallel()
	require.Empty(t, galera(server{variables: map[string]string{"wsrep_on": "OFF"}}), "no cluster")
	right := map[string]string{
		"wsrep_on": "ON", "wsrep_ready": "ON", "wsrep_cluster_status": "Primary", "wsrep_sync_wait": "0",
	}
	require.Zero(t, doctor.Count(galera(server{variables: right}), doctor.Fail))
	for name, value := range map[string]string{"wsrep_ready": "OFF", "wsrep_cluster_status": "non-Primary"} {
		wrong := maps.Clone(right)
		wrong[name] = value
		require.Equal(t, 1, doctor.Count(galera(server{variables: wrong}), doctor.Fail), name)
	}
}

func TestDoctor_MissingVariables(t *testing.T) {
	t.Parallel()
	for value, level := range map[string]doctor.Level{"OFF": doctor.Fail, "ON": doctor.OK} {
		v := server{version: "9.7.0", variables: map[string]string{
			"innodb_flush_log_at_trx_commit": "1", "log_bin": "ON", "sync_binlog": "1",
			"innodb_redo_log_enabled": value, "innodb_doublewrite": "ON",
		}}
		require.Equal(t, level == doctor.Fail, doctor.Count(durability(v), doctor.Fail) == 1, value)
	}
	require.Equal(t, doctor.Warn, flushMethod("O_DIRECT_NO_FSYNC").Level)
	require.Empty(t, durability(server{version: "8.0.11-TiDB-v8.1.0"}))
	require.Equal(t, doctor.Fail,
		writable(server{variables: map[string]string{"innodb_force_recovery": "1"}})[0].Level)
}
