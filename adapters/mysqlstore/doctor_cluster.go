package mysqlstore

import (
	"strings"

	"paymentd/internal/doctor"
)

// group checks a member of Group Replication ("Group Replication System Variables").
func group(v server) (found []doctor.Finding) {
	if v.variables["group_replication_group_name"] == "" {
		return nil
	}
	say := func(name string, right bool, advice string) {
		name = "group_replication_" + name
		if value, known := v.variables[name]; known {
			found = append(found, doctor.Of(name, value, right, doctor.Warn, advice))
		}
	}
	is := func(name, value string) bool { return strings.EqualFold(v.variables["group_replication_"+name], value) }

	say("single_primary_mode", v.on("group_replication_single_primary_mode"),
		"Run the group with one primary: several are safe, but slower when requests conflict, and refuse migrations.")
	say("consistency", !is("consistency", "EVENTUAL"),
		"Set it to BEFORE_ON_PRIMARY_FAILOVER: a new primary may answer reads from an older state for a moment.")
	say("unreachable_majority_timeout", v.number("group_replication_unreachable_majority_timeout") > 0,
		"Set it above 0, in seconds: otherwise commits on the minority side of a partition hang until the service gives up.")
	say("exit_state_action", !is("exit_state_action", "READ_ONLY"),
		"Set it to OFFLINE_MODE: otherwise a member that was expelled still answers reads.")
	say("start_on_boot", v.on("group_replication_start_on_boot") || v.on("super_read_only"),
		"Set it to ON, or start the server with super_read_only=ON: a member that takes writes before it joins the group "+
			"stores claims that the other members do not have.")
	return found
}

// galera checks a node of a Galera cluster ("Galera Cluster System Variables" and "Status").
func galera(v server) (found []doctor.Finding) {
	if !v.on("wsrep_on") {
		return nil
	}
	ready, status := v.variables["wsrep_ready"], v.variables["wsrep_cluster_status"]
	found = append(found,
		doctor.Of("wsrep_ready", ready, v.on("wsrep_ready"), doctor.Fail,
			"Name a node that is in the cluster in PAYMENTD_DATABASE: this one refuses every statement (1047)."),
		doctor.Of("wsrep_cluster_status", status, strings.EqualFold(status, "Primary"), doctor.Fail,
			"Bring the node back to the primary component: other components take no writes."))
	wait := v.variables["wsrep_sync_wait"]
	if v.number("wsrep_sync_wait") == 0 {
		wait += ", which is right if all replicas write to one node; otherwise set it to 1"
	}
	return append(found, doctor.Good("wsrep_sync_wait", wait))
}
