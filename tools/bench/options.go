package main

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Names of the contenders.
const (
	paymentd = "paymentd"
	bare     = "bare"
	batched  = "batched"
	textbook = "textbook"
)

// Protocols of the gateway.
const (
	https1 = "https" // HTTP/1.1 over TLS
	https2 = "h2"    // HTTP/2 over TLS
	plain  = "http"
)

var protocolNames = map[string]string{https1: "TLS, HTTP/1.1", https2: "TLS, HTTP/2", plain: "plain text, HTTP/1.1"}

// options are the command line. The tags are kong's.
type options struct {
	Clients []int           `default:"1,16,64,256,1024" help:"Numbers of concurrent clients; each is a row."`
	Latency []time.Duration `default:"0s,50ms" help:"Times that the gateway takes for a charge; each with every number of clients."`
	Gateway []string        `default:"https,h2,http" enum:"https,h2,http" help:"Protocols of the gateway: TLS with HTTP/1.1, TLS with HTTP/2, and plain text. All contenders are measured with the first one, paymentd and bare with the others."`
	Rounds  int             `default:"3" help:"Slices of each contender in each row."`
	For     time.Duration   `default:"1500ms" help:"Measured time of a slice."`
	WarmUp  time.Duration   `default:"400ms" help:"Time before a slice is measured; half a millisecond per client is added."`
	Only    []string        `default:"paymentd,bare,batched,textbook" enum:"paymentd,bare,batched,textbook" help:"Contenders to measure."`
	Table   bool            `default:"true" negatable:"" help:"Measure the table; --no-table measures the special rows only."`
	Full    bool            `default:"true" negatable:"" help:"Run paymentd with API keys, limits, metrics that are scraped, and traces of 10 %; --no-full runs it with its defaults."`

	Special []string `enum:"hot,memory,sqlite,start,everything" placeholder:"ROW,..." help:"Special rows to measure after the table: hot (a thousand clients wait for one order), memory (a thousand payments at once at a gateway that takes 1 s), sqlite (64 clients on a file), start (from exec to ready), everything (API keys, limits, metrics and traces on, beside none of them)."`
	Rows    int      `placeholder:"N" help:"Compare a table that holds N payments with an empty one; combine with --no-table."`

	IDs           string   `name:"ids" default:"random" enum:"random,ascending" help:"Order ids: random ones are spread over the primary key, ascending ones are appended to it."`
	BareConns     int      `default:"64" help:"Most database connections of bare."`
	Flushers      int      `default:"2" help:"Database connections of batched, for its INSERTs and for its UPDATEs each."`
	TunedTextbook bool     `help:"Give textbook the settings of bare: no prepared statements, and a kept connection to the gateway per call. Otherwise it has the defaults of database/sql, its driver and net/http."`
	BufferPool    string   `default:"1G" help:"Buffer pool of the database server."`
	ServerArg     []string `sep:"none" placeholder:"--OPTION" help:"Further options of the database server."`
	Set           []string `sep:"none" placeholder:"NAME=VALUE" help:"Further environment variables of paymentd, such as PAYMENTD_SHARED_COMMITS=false."`
	Binary        string   `placeholder:"FILE" help:"The paymentd to measure; without it, bin/paymentd is built."`
	JSON          bool     `name:"json" help:"Print JSON instead of tables."`
}

// Validate checks the bounds. Kong calls it.
func (o *options) Validate() error {
	const mostClients = 4096 // the default of PAYMENTD_MAX_REQUESTS
	switch {
	case o.Rounds < 1:
		return errors.New("--rounds: must be at least 1")
	case o.For <= 0 || o.WarmUp < 0:
		return errors.New("--for: must be above zero, and --warm-up not below zero")
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

// contenders returns the names of the contenders to measure with a protocol of the gateway, in the
// order of their slices.
func (o *options) contenders(protocol string) []string {
	names := []string{paymentd, bare}
	if protocol == o.Gateway[0] {
		names = append(names, batched, textbook)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(o.Only, name) })
}
