package config

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"paymentd/internal/doctor"
)

// storeTimeout is how long the writes before and after a call of the gateway may take: the timeout of a
// statement (mysqlstore.Options.Timeout).
const storeTimeout = 5 * time.Second

// DoctorTimes checks the durations that the promise depends on. The other settings are checked by
// [Config.Validate], which stops the start.
func (c *Config) DoctorTimes() []doctor.Finding {
	timeout := c.GatewayTimeout
	if set, err := c.GatewaySet(); err == nil {
		timeout = set.Timeout()
	}
	lease := doctor.Of("PAYMENTD_LEASE", c.Lease.String(), c.Lease >= timeout+storeTimeout, doctor.Warn,
		"Set it to "+(timeout+storeTimeout).String()+" or more, the gateway timeout plus a slow write: a shorter lease "+
			"may expire while the worker waits for the database, which causes a needless takeover.")
	late := doctor.Of("PAYMENTD_LATE", c.Late.String(), c.Late >= timeout, doctor.Warn,
		"Set it to the longest time that the gateway may take to charge, and at least to PAYMENTD_GATEWAY_TIMEOUT: if the "+
			"gateway has no charge after that time, the payment is recorded as failed, although it could still be charged.")
	if c.Late == 0 {
		late.Level = doctor.Fail
	}
	return []doctor.Finding{lease, late}
}

// DoctorGatewayAddresses checks that the connections to the gateways are encrypted.
func (c *Config) DoctorGatewayAddresses() (findings []doctor.Finding) {
	set, err := c.GatewaySet()
	if err != nil {
		return nil // the start reports it
	}
	for _, g := range set.Gateways {
		check := "PAYMENTD_GATEWAY"
		if c.GatewaysFile != "" {
			check = "gateway " + g.Name
		}
		if g.Options.Address == "" {
			findings = append(findings, doctor.Good(check, "https")) // the address of the vendor
			continue
		}
		findings = append(findings, doctorAddress(check, g.Options.Address))
	}
	return findings
}

func doctorAddress(check, text string) doctor.Finding {
	address, err := url.Parse(text)
	if err != nil || address.Scheme != "http" || isLoopback(address.Hostname()) {
		return doctor.Good(check, strings.ToLower(strings.SplitN(text, ":", 2)[0]))
	}
	return doctor.Of(check, "http", false, doctor.Warn,
		"Use https://: with http:// the network between here and "+address.Hostname()+" can read and change what is charged.")
}

// DoctorOpenFiles checks the limit on open files of this process.
func (c *Config) DoctorOpenFiles() doctor.Finding { return c.doctorOpenFiles(openFileLimit()) }

func (c *Config) doctorOpenFiles(limit uint64) doctor.Finding {
	const check = "ulimit -n"
	needed := c.filesNeeded()
	found := strconv.FormatUint(limit, 10) + " open files at most"
	if limit > math.MaxInt64 {
		found = "no limit on open files"
	}
	return doctor.Of(check, found, limit >= uint64(needed), doctor.Warn, //nolint:gosec // a sum of bounded settings
		fmt.Sprintf("Raise the hard limit to %d or more (ulimit -Hn, LimitNOFILE= of a unit, ulimits of a container): the "+
			"settings allow so many connections of clients, to the database and to the gateway. Or lower PAYMENTD_MAX_CONNECTIONS "+
			"and PAYMENTD_MAX_REQUESTS. Beyond the limit clients wait, and calls of the gateway fail.", needed))
}

const (
	// otherFiles are open files that are not connections of clients, to the database or to the gateway:
	// standard streams, listeners, files that are reread, connections to a trace collector, probes.
	otherFiles = 64
	// sqliteFiles are the open files of the connections to a SQLite file, with its log and its index.
	sqliteFiles = 64
)

// filesNeeded returns how many files the settings may have open at once. Each connection is one.
func (c *Config) filesNeeded() int {
	needed := otherFiles + c.ConnectionLimit() + sqliteFiles
	if !hasPrefix(c.Database, "sqlite:") {
		needed += c.DatabaseConnections - sqliteFiles
	}
	set, _ := c.GatewaySet() // of an invalid file, no gateways
	for _, g := range set.Gateways {
		if g.Kind.Remote {
			needed += min(g.MaxConcurrent, c.MaxAttempts())
		}
	}
	return needed
}

// openFileLimit returns how many files this process may have open; the largest number if the limit is
// unknown. Go raises the soft limit to the hard limit when a process starts (package syscall, rlimit.go).
func openFileLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return limit.Cur
}
