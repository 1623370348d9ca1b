package main

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// The ways to take a payment.
const (
	ours     = "ours"
	bare     = "bare"
	batched  = "batched"
	textbook = "textbook"
)

// ways are in the order in which they take turns.
var ways = []string{ours, bare, batched, textbook}

// options are the command line. The tags are kong's.
type options struct {
	Clients []int           `default:"1,16,64,256,1024" help:"Numbers of clients that pay at once, a row of the table each."`
	Latency []time.Duration `default:"0s,50ms" help:"Times that the gateway takes for a charge; a row for each, with every number of clients."`
	Rounds  int             `default:"3" help:"How often the ways take turns in each row."`
	For     time.Duration   `default:"1500ms" help:"How long a turn is measured."`
	WarmUp  time.Duration   `default:"400ms" help:"How long a turn runs before it is measured, and half a millisecond more for each client."`
	Only    []string        `default:"ours,bare,batched,textbook" enum:"ours,bare,batched,textbook" help:"Ways to measure."`
	Table   bool            `default:"true" negatable:"" help:"Measure the table; --no-table leaves the special rows alone."`

	Special []string `enum:"crowd,memory,sqlite,start,everything" placeholder:"ROW,..." help:"Special rows to measure after the table: crowd (a thousand clients wait for one order), memory (a thousand payments at once at a gateway that takes 1 s), sqlite (64 clients on a file), start (exec to ready), everything (API keys, limits, metrics and traces on, beside none of them)."`
	Rows    int      `placeholder:"N" help:"Compare a table that holds N payments with an empty one; use --no-table to do nothing else."`

	IDs           string   `name:"ids" default:"random" enum:"random,ascending" help:"Order ids: random ones fall all over the primary key, ascending ones on its end."`
	BareConns     int      `default:"64" help:"Connections of the bare loop, at most."`
	Flushers      int      `default:"2" help:"Connections of the batched loop, for its INSERTs and for its UPDATEs."`
	TunedTextbook bool     `help:"Give the textbook service what the bare loop has: no statement prepared, and a kept connection to the gateway for each call. Otherwise it has the defaults of database/sql, its driver and net/http."`
	BufferPool    string   `default:"1G" help:"Buffer pool of the database server."`
	ServerArg     []string `sep:"none" placeholder:"--OPTION" help:"Further options of the database server."`
	Set           []string `sep:"none" placeholder:"NAME=VALUE" help:"Further environment variables of the service, such as PAYMENTD_SHARED_COMMITS=false."`
	Binary        string   `placeholder:"FILE" help:"The paymentd to measure; without it, bin/paymentd is built."`
	JSON          bool     `name:"json" help:"Print JSON instead of tables."`
}

// Validate checks the bounds. Kong calls it.
func (o *options) Validate() error {
	const mostClients = 4096 // what PAYMENTD_MAX_REQUESTS admits
	switch {
	case o.Rounds < 1:
		return errors.New("--rounds: must be at least 1")
	case o.For <= 0 || o.WarmUp < 0:
		return errors.New("--for: must be above zero, and --warm-up not below it")
	case o.BareConns < 1 || o.Flushers < 1:
		return errors.New("--bare-conns, --flushers: must be at least 1")
	case o.Rows < 0:
		return errors.New("--rows: must not be below zero")
	case slices.ContainsFunc(o.Set, func(s string) bool { return strings.IndexByte(s, '=') < 1 }):
		return errors.New("--set: must be NAME=VALUE")
	case slices.ContainsFunc(o.Clients, func(n int) bool { return n < 1 || n > mostClients }):
		return errors.New("--clients: must be from 1 to 4096")
	}
	return nil
}

// warmUp is how long that many clients take to connect and to get into step.
func (o *options) warmUp(clients int) time.Duration {
	return o.WarmUp + time.Duration(clients)*time.Millisecond/2
}

// turns are the ways to measure, in their order.
func (o *options) turns() []string {
	return slices.DeleteFunc(slices.Clone(ways), func(way string) bool { return !slices.Contains(o.Only, way) })
}
