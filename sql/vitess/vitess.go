// Package vitess has the VSchema of a sharded keyspace, for Vitess.
//
// Every table of payments is sharded by the order id, so that all rows of an order, and each transaction
// of it, are in one shard. The vindex is binary_md5: it distinguishes ids byte by byte, as the columns do,
// spreads ascending ids evenly, and the service can compute it to write batches of one shard each.
//
// The rows of the small tables are in the first shard: replicas is read as a whole, the unique names of
// api_keys would not be unique across shards, and the other two have one row or few. They are pinned, so
// that queries go to that shard only. INSERT needs a vindex as well, and does not accept the pin
// (VT09001); "null" maps every value to the first shard ("Predefined Vindexes", Vitess manual). Every
// shard has all tables, because DDL runs on all of them.
package vitess

import _ "embed"

// VSchema is the VSchema of the keyspace, for `vtctldclient ApplyVSchema`.
//
//go:embed vschema.json
var VSchema []byte
