package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"paymentd/adapters/httpapi"
	"paymentd/core/payment"
)

// Config is every setting of `paymentd serve`: a flag and an environment variable each.
// The tags are kong's.
type Config struct {
	Addr         string `default:"127.0.0.1:3000" env:"PAYMENTD_ADDR" help:"Address to listen on, host:port. Any other than a loopback address needs an API key."`
	Database     string `default:"sqlite:paymentd.db" env:"PAYMENTD_DATABASE" help:"Where payments are kept: sqlite:FILE for one process, or mysql://user:password@host:port/database?tls=true for many."`
	DatabaseFile string `default:"" env:"PAYMENTD_DATABASE_FILE" placeholder:"FILE" help:"File that holds the address of the database, in place of PAYMENTD_DATABASE: for a password that is to be in no variable."`
	Gateway      string `default:"sandbox:" env:"PAYMENTD_GATEWAY" help:"Who takes the money: sandbox: or sandbox:LEDGER-FILE (a simulation inside the process; to be set if the database is MySQL or the address is not a loopback one), or the http://host:port or https:// base address of a gateway that speaks the gateway protocol."`
	Currency     string `default:"USD" env:"PAYMENTD_CURRENCY" help:"Currency of requests that name none, ISO 4217."`

	MaxRetries      int             `default:"3" env:"PAYMENTD_MAX_RETRIES" help:"Retries after the first attempt of a round, 0 to 10."`
	RetryDelay      time.Duration   `default:"1s" env:"PAYMENTD_RETRY_DELAY" help:"Delay before the first retry; doubled before each further one."`
	RetryJitter     float64         `default:"0" env:"PAYMENTD_RETRY_JITTER" help:"Part of each delay by which it varies at random, 0 to 1."`
	DeferredRetries []time.Duration `env:"PAYMENTD_LATER_RETRIES" placeholder:"DELAY" help:"Delays, such as 5m,1h,6h, after which a payment accepted with respond-async is tried again when the gateway was not available. None by default."`
	GatewayTimeout  time.Duration   `default:"10s" env:"PAYMENTD_GATEWAY_TIMEOUT" help:"Limit of one attempt."`
	// GatewayKeyLifetime is read by [Config.keyLifetime].
	GatewayKeyLifetime optionalDuration `default:"" env:"PAYMENTD_GATEWAY_KEY_LIFETIME" placeholder:"24h" help:"How long the gateway remembers an idempotency key after its first use; 0 for ever. A key that may be older is not sent again. 24h by default for http:// and https://, for ever for the sandbox."`
	GatewayName        string           `default:"" env:"PAYMENTD_GATEWAY_NAME" placeholder:"NAME" help:"Identity of the gateway, which is stored with each key, in place of its base address: for an address that changes, or that differs between replicas. A payment of another identity is neither sent nor looked up. Not for the sandbox."`
	GatewayLookupLag   time.Duration    `default:"0s" env:"PAYMENTD_GATEWAY_LOOKUP_LAG" help:"How long after a charge the gateway's lookup may not see it yet. The gateway protocol promises 0s."`
	Lease              time.Duration    `default:"30s" env:"PAYMENTD_LEASE" help:"How long a claim on a payment is held without a word; must exceed the gateway timeout."`
	Wait               time.Duration    `default:"10s" env:"PAYMENTD_WAIT" help:"How long a request waits for another one at work on the same order."`
	Shutdown           time.Duration    `default:"20s" env:"PAYMENTD_SHUTDOWN" help:"Limit of a stop by SIGTERM, SIGINT or SIGHUP."`
	Late               time.Duration    `default:"1m" env:"PAYMENTD_LATE" help:"How long an attempt that was not answered may still charge."`
	Reconcile          time.Duration    `default:"5s" env:"PAYMENTD_RECONCILE" help:"First interval at which the gateway is asked about an unresolved payment; it doubles up to 15 minutes."`

	Workers          int           `default:"16" env:"PAYMENTD_WORKERS" help:"Payments that the queue works on at once, of each kind of work: charges, takeovers, lookups."`
	Poll             time.Duration `default:"1s" env:"PAYMENTD_POLL" help:"Longest sleep of the queue."`
	HeartbeatTimeout time.Duration `default:"5s" env:"PAYMENTD_HEARTBEAT_TIMEOUT" help:"After which the claims of a silent replica are taken over."`

	APIKeys     apiKeys `name:"api-keys" env:"PAYMENTD_API_KEYS" placeholder:"KEY,..." help:"Keys that callers may show as 'Authorization: Bearer KEY', separated by commas, at least 16 characters each; they may do everything. More keys are made with 'paymentd keys create'. With none at all, only a loopback address is served."`
	APIKeysFile string  `name:"api-keys-file" default:"" env:"PAYMENTD_API_KEYS_FILE" placeholder:"FILE" help:"File of such keys, one a line or separated by commas; # begins a comment. It is read again when it changes."`

	LimitPerKey     httpapi.Rate    `env:"PAYMENTD_LIMIT_PER_KEY" placeholder:"RATE" help:"How often one API key may ask, such as 100/s, 6000/m or 20/h: that many requests at once, and as many again over each second, minute or hour. More are answered with 429. None by default."`
	LimitPerAddress httpapi.Rate    `env:"PAYMENTD_LIMIT_PER_ADDRESS" placeholder:"RATE" help:"The same for one address, or one IPv6 network of 64 bits; it is asked for before the key."`
	TrustedProxies  httpapi.Proxies `env:"PAYMENTD_TRUSTED_PROXIES" placeholder:"ADDRESS,..." help:"Addresses and ranges, such as 10.0.0.7,192.168.0.0/16, of the proxies whose X-Forwarded-For is believed. None by default."`
	AllowedHosts    httpapi.Hosts   `env:"PAYMENTD_ALLOWED_HOSTS" placeholder:"NAME,..." help:"Names of hosts, such as pay.internal, under which the service is served while it has no API keys, beside localhost and the loopback addresses. Requests for others are answered with 421. With API keys, the name does not matter. None by default."`
	TLSCertificate  string          `name:"tls-certificate" default:"" env:"PAYMENTD_TLS_CERTIFICATE" placeholder:"FILE" help:"Certificate to serve with TLS, and the chain above it, as PEM; read again when it changes. None by default: plain HTTP."`
	TLSKey          string          `name:"tls-key" default:"" env:"PAYMENTD_TLS_KEY" placeholder:"FILE" help:"Its private key, as PEM."`
	MaxConnections  int             `default:"0" env:"PAYMENTD_MAX_CONNECTIONS" help:"Connections of clients at most; more wait until one ends. 0 for twice the requests that are served at once."`

	DatabaseConnections int    `default:"32" env:"PAYMENTD_DATABASE_CONNECTIONS" help:"Connections to the database at most."`
	SharedCommits       bool   `default:"true" env:"PAYMENTD_SHARED_COMMITS" help:"Let payments that are stored at the same moment share a commit; false to compare."`
	MaxRequests         int    `default:"4096" env:"PAYMENTD_MAX_REQUESTS" help:"Requests served at once; more are answered with 503."`
	LogLevel            string `default:"info" env:"PAYMENTD_LOG_LEVEL" help:"Least level that is logged: debug, info, warn or error."`
	Traces              string `default:"" env:"PAYMENTD_TRACES" placeholder:"URL" help:"Base URL of a collector that takes OpenTelemetry traces by OTLP over HTTP, such as http://127.0.0.1:4318. None by default; OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_ variables are heeded."`
	PprofAddr           string `default:"" env:"PAYMENTD_PPROF_ADDR" placeholder:"HOST:PORT" help:"Loopback address on which to serve profiles and memory statistics, under /debug/pprof/ and /debug/vars. None by default."`
}

// Defaults returns the configuration of `paymentd serve` without a flag; for tests, which change
// what they need. The variables of the environment count.
func Defaults() (Config, error) {
	var cfg Config
	err := kong.ApplyDefaults(&cfg, new(values).options()...)
	return cfg, err
}

const (
	lookupMax       = 15 * time.Minute // to which the reconciler's interval doubles
	maxLaterRetries = 20

	defaultKeyLifetime = 24 * time.Hour // of a gateway that is not the sandbox
	maxKeyLifetime     = 10 * 365 * 24 * time.Hour
	maxLookupLag       = 24 * time.Hour
)

// keyLifetime returns how long the gateway remembers a key; zero for ever.
func (c *Config) keyLifetime() time.Duration {
	if !c.GatewayKeyLifetime.given && !hasPrefix(c.Gateway, "sandbox:") {
		return defaultKeyLifetime
	}
	return c.GatewayKeyLifetime.duration
}

// Validate checks the bounds of every setting. The error names the first that is wrong, and
// what it may be. Kong calls it.
func (c *Config) Validate() error {
	if err := c.validateAddr(); err != nil {
		return err
	}
	if err := c.validateKeys(); err != nil {
		return err
	}
	if _, err := payment.ParseCurrency(c.Currency); err != nil {
		return setting("currency", "must be an ISO 4217 code, such as USD")
	}
	if err := resolveDatabase(&c.Database, &c.DatabaseFile); err != nil {
		return err
	}
	if !hasPrefix(c.Gateway, "sandbox:", "http://", "https://") || c.Gateway != strings.TrimSpace(c.Gateway) {
		return setting("gateway", "must begin with sandbox:, http:// or https://, and have no space or line feed at its end")
	}
	if err := c.validateGatewayName(); err != nil {
		return err
	}
	if err := c.validateLedger(); err != nil {
		return err
	}
	if err := new(slog.Level).UnmarshalText([]byte(c.LogLevel)); err != nil {
		return setting("log-level", "must be debug, info, warn or error")
	}
	if c.Traces != "" && !isBaseURL(c.Traces) {
		return setting("traces", "must be an http:// or https:// address, such as http://127.0.0.1:4318")
	}
	if (c.TLSCertificate == "") != (c.TLSKey == "") {
		missing := "tls-key"
		if c.TLSCertificate == "" {
			missing = "tls-certificate"
		}
		return setting(missing, "must be set: a certificate and its key go together")
	}
	if err := c.validatePprofAddr(); err != nil {
		return err
	}
	if err := c.validateTimes(); err != nil {
		return err
	}
	return c.validateNumbers()
}

func (c *Config) validateGatewayName() error {
	unfit := func(r rune) bool { return r <= ' ' || r > '~' }
	switch {
	case c.GatewayName == "":
		return nil
	case strings.HasPrefix(c.Gateway, "sandbox:"):
		return setting("gateway-name", "must be left out for the sandbox: it names a gateway that is reached by http:// or https://")
	case len(c.GatewayName) > payment.MaxGatewayIDBytes || strings.ContainsFunc(c.GatewayName, unfit):
		return setting("gateway-name", "must have at most 255 printable ASCII characters without spaces")
	}
	return nil
}

func (c *Config) validateAddr() error {
	if _, err := hostOf(c.Addr); err != nil {
		return setting("addr", err.Error())
	}
	return nil
}

func (c *Config) validateKeys() error {
	if slices.ContainsFunc(c.APIKeys, func(key string) bool { return !isAPIKey(key) }) {
		return setting("api-keys",
			"must be keys of at least 16 characters each, of letters, digits and -._~+/=, separated by commas")
	}
	if _, err := readKeysFile(c.APIKeysFile); err != nil {
		return setting("api-keys-file", err.Error())
	}
	return nil
}

// validatePprofAddr keeps profiles on this machine: they show what is in memory, and no key is
// asked for.
func (c *Config) validatePprofAddr() error {
	if c.PprofAddr == "" {
		return nil
	}
	host, err := hostOf(c.PprofAddr)
	if err != nil {
		return setting("pprof-addr", err.Error())
	}
	if !loopback(host) {
		return setting("pprof-addr", "must be a loopback address, such as 127.0.0.1:6060, and is "+c.PprofAddr)
	}
	return nil
}

// hostOf returns the host of an address to listen on.
func hostOf(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", errors.New("must be host:port, such as 127.0.0.1:3000")
	}
	return host, nil
}

func validateDatabase(address string) error {
	if address != strings.TrimSpace(address) {
		return setting("database", "must not begin or end with a space or a line feed")
	}
	if !hasPrefix(address, "sqlite:", "mysql://") {
		return setting("database", "must begin with sqlite: or mysql://") // it may hold a password
	}
	return nil
}

// defaultDatabase is the default of PAYMENTD_DATABASE.
const defaultDatabase = "sqlite:paymentd.db"

// maxSecretFile bounds a file that holds one setting, in bytes.
const maxSecretFile = 16 << 10

// resolveDatabase puts what the file holds in the place of the address, if a file is named, and
// checks the address. Its errors hold nothing of the file.
func resolveDatabase(address, file *string) error {
	if *file == "" {
		return validateDatabase(*address)
	}
	if os.Getenv("PAYMENTD_DATABASE") != "" || *address != defaultDatabase {
		return setting("database-file", "must not be set together with PAYMENTD_DATABASE (--database): set one of the two")
	}
	text, err := readSecret(*file)
	if err != nil {
		return setting("database-file", err.Error())
	}
	if !hasPrefix(text, "sqlite:", "mysql://") || strings.ContainsAny(text, "\r\n") {
		return setting("database-file", "must be a file that holds one line, which begins with sqlite: or mysql://")
	}
	*address, *file = text, ""
	return nil
}

// readSecret returns what a file holds, without the white space around it.
func readSecret(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return "", fmt.Errorf("must be a file that can be read, and %s is not: %s", path, cause(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("must be a file that can be read, and %s is not: %s", path, cause(err))
	case len(text) > maxSecretFile:
		return "", fmt.Errorf("must be a file of at most %d bytes, and %s has more", maxSecretFile, path)
	case len(bytes.TrimSpace(text)) == 0:
		return "", fmt.Errorf("must be a file that is not empty, and %s is", path)
	}
	return string(bytes.TrimSpace(text)), nil
}

// validateLedger keeps the ledger of the sandbox, and the database, out of each other's file.
func (c *Config) validateLedger() error {
	ledger, inProcess := strings.CutPrefix(c.Gateway, "sandbox:")
	database, onFile := strings.CutPrefix(c.Database, "sqlite:")
	if !inProcess || !onFile {
		return nil
	}
	database = strings.TrimPrefix(database, "//")
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if samePath(cmp.Or(ledger, defaultLedger), database+suffix) {
			return setting("gateway", "must name a ledger that is another file than the database's, "+database+suffix)
		}
	}
	return nil
}

// samePath reports whether two paths lead to one file, which need not be there.
func samePath(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return realPath(a) == realPath(b)
}

// realPath resolves the links in the folder's path.
func realPath(path string) string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(absolute))
	if err != nil {
		return absolute
	}
	return filepath.Join(folder, filepath.Base(absolute))
}

// isBaseURL reports whether there is a host to ask at the address.
func isBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && hasPrefix(s, "http://", "https://") && u.Hostname() != ""
}

func hasPrefix(s string, anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(prefix string) bool { return strings.HasPrefix(s, prefix) })
}

func (c *Config) validateTimes() error {
	for _, d := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"retry-delay", c.RetryDelay, 0, time.Minute},
		{"gateway-timeout", c.GatewayTimeout, time.Millisecond, 10 * time.Minute},
		{"gateway-lookup-lag", c.GatewayLookupLag, 0, maxLookupLag},
		{"gateway-key-lifetime", c.keyLifetime(), 0, maxKeyLifetime},
		{"lease", c.Lease, 10 * time.Millisecond, time.Hour},
		{"wait", c.Wait, 0, 2 * time.Minute},
		{"shutdown", c.Shutdown, 0, time.Hour},
		{"late", c.Late, 0, 7 * 24 * time.Hour},
		{"reconcile", c.Reconcile, 10 * time.Millisecond, lookupMax},
		{"poll", c.Poll, 10 * time.Millisecond, time.Minute},
		{"heartbeat-timeout", c.HeartbeatTimeout, 100 * time.Millisecond, time.Hour},
	} {
		if d.value < d.low || d.value > d.high {
			return setting(d.name, fmt.Sprintf("must be from %v to %v, and is %v", d.low, d.high, d.value))
		}
	}
	if c.Lease <= c.GatewayTimeout {
		return setting("lease", fmt.Sprintf("must be longer than the gateway timeout, %v", c.GatewayTimeout))
	}
	// An attempt needs its time, and what it leaves on its way as well, while the key still lives.
	if least := c.GatewayTimeout + c.Late; c.keyLifetime() != 0 && c.keyLifetime() <= least {
		return setting("gateway-key-lifetime", fmt.Sprintf("must be longer than PAYMENTD_GATEWAY_TIMEOUT and PAYMENTD_LATE "+
			"together, %v, or 0 if the gateway never forgets a key, and is %v", least, c.keyLifetime()))
	}
	if len(c.DeferredRetries) > maxLaterRetries {
		return setting("later-retries", fmt.Sprintf("must be at most %d delays", maxLaterRetries))
	}
	for _, d := range c.DeferredRetries {
		if d <= 0 {
			return setting("later-retries", "must be delays above zero, such as 5m,1h,6h")
		}
	}
	return nil
}

func (c *Config) validateNumbers() error {
	for _, n := range []struct {
		name             string
		value, low, high int
	}{
		{"max-retries", c.MaxRetries, 0, 10},
		{"workers", c.Workers, 1, 1024},
		{"database-connections", c.DatabaseConnections, 1, 10_000},
		{"max-requests", c.MaxRequests, 1, 1_000_000},
		{"max-connections", c.MaxConnections, 0, 2_000_000},
	} {
		if n.value < n.low || n.value > n.high {
			return setting(n.name, fmt.Sprintf("must be from %d to %d, and is %d", n.low, n.high, n.value))
		}
	}
	if !(c.RetryJitter >= 0 && c.RetryJitter <= 1) { // so that NaN is not
		return setting("retry-jitter", fmt.Sprintf("must be from 0 to 1, and is %v", c.RetryJitter))
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
