package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/httpapi"
	"paymentd/internal/doctor"
	"paymentd/ports"
)

// checkupLimit bounds the checks of a database.
const checkupLimit = 15 * time.Second

// checkup looks at the database and the settings once, when the database is first reached, and
// tells the log what is not as it should be. It holds up nothing.
type checkup struct {
	cfg        Config
	repository *Repository
	log        *slog.Logger

	cancel context.CancelFunc
	done   chan struct{}
}

func (c *checkup) start(ctx context.Context) {
	ctx, c.cancel = context.WithTimeout(context.WithoutCancel(ctx), checkupLimit)
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		c.run(ctx)
	}()
}

func (c *checkup) run(ctx context.Context) {
	for _, f := range append(c.repository.Diagnose(ctx, 0), c.cfg.times()...) {
		if errors.Is(ctx.Err(), context.Canceled) {
			return // the service stops: what was asked for last is not what is wrong
		}
		logFinding(c.log, f)
	}
}

func (c *checkup) stop() {
	if c.cancel != nil {
		c.cancel()
		<-c.done
	}
}

// storeLimit is how long the writes around a call of the gateway may take: the limit of a
// statement (mysqlstore.Options.Timeout).
const storeLimit = 5 * time.Second

// times judges the settings that the promise leans on. The start tells of the others by itself.
func (c *Config) times() []doctor.Finding {
	lease := doctor.Of("PAYMENTD_LEASE", c.Lease.String(), c.Lease >= c.GatewayTimeout+storeLimit, doctor.Warn,
		"Set it to "+(c.GatewayTimeout+storeLimit).String()+" or more, the gateway timeout and a slow write: shorter "+
			"leases run out under a worker that waits for the database, and its payment is taken over in vain.")
	late := doctor.Of("PAYMENTD_LATE", c.Late.String(), c.Late >= c.GatewayTimeout, doctor.Warn,
		"Set it to the longest that the gateway may take to charge, and no less than PAYMENTD_GATEWAY_TIMEOUT: a payment "+
			"is called failed when the gateway has nothing after that time, and could still be charged.")
	if c.Late == 0 {
		late.Level = doctor.Fail
	}
	return []doctor.Finding{lease, late}
}

// gatewayAddress judges the way to the gateway.
func (c *Config) gatewayAddress() doctor.Finding {
	const check = "PAYMENTD_GATEWAY"
	address, err := url.Parse(c.Gateway)
	if err != nil || address.Scheme != "http" || loopback(address.Hostname()) {
		return doctor.Good(check, strings.ToLower(strings.SplitN(c.Gateway, ":", 2)[0]))
	}
	return doctor.Of(check, "http", false, doctor.Warn,
		"Take https://: without it whoever is on the way to "+address.Hostname()+" reads and changes what is charged.")
}

// certificate judges the way from the callers. The error is of a certificate with which the service
// does not start.
func (c *Config) certificate(log *slog.Logger) (doctor.Finding, error) {
	const check = "PAYMENTD_TLS_CERTIFICATE"
	if c.TLSCertificate == "" {
		host, _ := hostOf(c.Addr)
		return doctor.Of(check, "none", loopback(host), doctor.Warn,
			"Set it, with PAYMENTD_TLS_KEY, unless what stands before the service speaks TLS and the way from there is safe: "+
				"whoever is on the way reads the API keys, and may pay with them."), nil
	}
	certificate, err := openCertificate(*c, log)
	if err != nil {
		return doctor.Finding{}, err
	}
	left := time.Until(certificate.Expiry())
	level := doctor.Warn
	if left <= 0 {
		level = doctor.Fail
	}
	return doctor.Of(check, "ends at "+certificate.Expiry().UTC().Format(time.RFC3339), left >= httpapi.CertificateShort, level,
		"Renew it: callers refuse to connect when it, or one above it in the file, has ended."), nil
}

// errDatabaseAway: what is stored is not known.
var errDatabaseAway = errors.New("the database cannot be asked")

// callers judges who may pay, by the keys of the configuration and of the database. That is asked
// only where others have found it with its tables: to ask would make a file of SQLite's.
func (c *Config) callers(ctx context.Context, keys ports.Keys, others []doctor.Finding) doctor.Finding {
	const check = "API keys"
	fixed := len(c.APIKeys)
	if file, err := readKeysFile(c.APIKeysFile); err == nil { // else the start stops at it
		fixed += len(file)
	}
	var stored ports.ActiveKeys
	var err error
	switch {
	case slices.ContainsFunc(others, is("database", doctor.Fail)):
		err = errDatabaseAway
	case slices.ContainsFunc(others, is("schema", doctor.OK)):
		stored, err = keys.Active(ctx)
	}
	host, _ := hostOf(c.Addr)
	switch found := fmt.Sprintf("%d of the configuration, %d of the database", fixed, len(stored.Keys)); {
	case err != nil:
		return doctor.Of(check, fmt.Sprintf("%d of the configuration; those of the database are not known: %v", fixed, err),
			fixed > 0, doctor.Fail, "See that the database answers: nobody is served until the keys are known.")
	case fixed+len(stored.Keys) > 0:
		return doctor.Good(check, found)
	case stored.Ever:
		return doctor.Of(check, found, false, doctor.Fail,
			"Make one with `paymentd keys create`: all that there were are revoked, and nobody is served.")
	case !loopback(host):
		return doctor.Of(check, found, false, doctor.Fail,
			"Make one with `paymentd keys create`: without, the service does not start at "+c.Addr+".")
	default:
		return doctor.Of(check, found, false, doctor.Warn,
			"Make one with `paymentd keys create`, unless every process and user of this machine may pay.")
	}
}

func is(check string, level doctor.Level) func(doctor.Finding) bool {
	return func(f doctor.Finding) bool { return f.Check == check && f.Level == level }
}
