package bench

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Protocols of the gateway.
const (
	https1 = "https" // HTTP/1.1 over TLS
	https2 = "h2"    // HTTP/2 over TLS
	plain  = "http"
)

var protocolNames = map[string]string{https1: "TLS, HTTP/1.1", https2: "TLS, HTTP/2", plain: "plain text, HTTP/1.1"}

// options are the flags.
type options struct {
	measure    []string
	clients    []int
	latency    []time.Duration
	gateway    []string
	rounds     int
	slice      time.Duration
	full       bool
	rows       int
	ascending  bool
	bufferPool string
	set        []string
	other      string
}

var given = defaults()

func defaults() options {
	return options{
		clients: []int{1, 16, 64, 256, 1024}, latency: []time.Duration{0, 50 * time.Millisecond},
		gateway: []string{https1, https2, plain}, rounds: 3, slice: 1500 * time.Millisecond, full: true,
		rows: 10_000_000, bufferPool: "1G",
	}
}

// define defines the flags of a command line.
func (o *options) define(flags *flag.FlagSet) {
	flags.Func("measure", "what to measure: table, operations (refunds and holds beside payments), memory (a thousand payments at once at "+
		"a gateway that takes 1 s), everything (API keys, limits, metrics and traces on, beside none of them), rows (a table with many "+
		"payments, beside an empty one), console (the pages of the console and the lists of the API over as many), version (beside the binary of -other)",
		listOf(&o.measure, oneOf("table", "operations", "memory", "everything", "rows", "console", "version")))
	flags.StringVar(&o.other, "other", o.other, "path of the binary of another version, for -measure=version")
	flags.Func("clients", "numbers of concurrent clients; each is a row (default 1,16,64,256,1024)", listOf(&o.clients, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err == nil && (n < 1 || n > 4096) {
			err = errors.New("it must be from 1 to 4096, the default of PAYMENTD_MAX_REQUESTS")
		}
		return n, err
	}))
	flags.Func("latency", "times that the gateway takes for a charge (default 0s,50ms)", listOf(&o.latency, time.ParseDuration))
	flags.Func("gateway", "protocols of the gateway: https (TLS, HTTP/1.1), h2 (TLS, HTTP/2), http (plain text); textbook is measured "+
		"with the first one only (default https,h2,http)", listOf(&o.gateway, oneOf(https1, https2, plain)))
	flags.IntVar(&o.rounds, "rounds", o.rounds, "slices of each contender in each row")
	flags.DurationVar(&o.slice, "for", o.slice, "measured time of a slice")
	flags.BoolVar(&o.full, "full", o.full, "run paymentd with API keys, limits, metrics that are scraped, and traces of 10 %")
	flags.IntVar(&o.rows, "rows", o.rows, "payments in the table, for -measure=rows and -measure=console")
	flags.BoolVar(&o.ascending, "ascending", o.ascending, "append order ids to the primary key, instead of spreading them over it")
	flags.StringVar(&o.bufferPool, "buffer-pool", o.bufferPool, "buffer pool of the database server")
	flags.Func("set", "a further environment variable of paymentd, such as PAYMENTD_SHARED_COMMITS=false", func(s string) error {
		if o.set = append(o.set, s); strings.IndexByte(s, '=') < 1 {
			return errors.New("it must be NAME=VALUE")
		}
		return nil
	})
}

// listOf parses values that are separated by commas.
func listOf[T any](into *[]T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		*into = nil
		for one := range strings.SplitSeq(text, ",") {
			value, err := parse(one)
			if err != nil {
				return fmt.Errorf("%q: %w", one, err)
			}
			*into = append(*into, value)
		}
		return nil
	}
}

func oneOf(known ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(known, s) {
			return s, errors.New("it is not known")
		}
		return s, nil
	}
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == gatewayCommand {
		os.Exit(runGateway())
	}
	given.define(flag.CommandLine)
	os.Exit(m.Run())
}
