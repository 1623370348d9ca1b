// Package config holds the settings of paymentd. One table, the fields of [Config], [Sandbox] and
// [Database] with their tags, declares each setting: its flag, environment variable, default, bounds
// and meaning. The command line, the environment, the checks, --help and docs/configuration.md read it.
package config

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"paymentd/adapters/httpapi"
	"paymentd/app/gateways"
	"paymentd/internal/egress"
)

// Config holds the settings of `paymentd serve`, each with a flag and an environment variable.
//
// The tags name, default, env, placeholder and help are kong's. min and max bound a number or a
// duration, both inclusive; allowed describes the values of any other setting, as it continues "must be".
// [variables] are replaced in help and allowed.
type Config struct {
	Addr         string `default:"127.0.0.1:3000" env:"PAYMENTD_ADDR" allowed:"host:port, such as 127.0.0.1:3000" help:"Address to listen on. An address that is not a loopback address requires an API key."`
	Database     string `default:"sqlite:paymentd.db" env:"PAYMENTD_DATABASE" allowed:"sqlite:FILE or mysql://user:password@host:port/database?tls=true" help:"Database that stores the payments: SQLite for one process, MySQL for any number of replicas."`
	DatabaseFile string `default:"" env:"PAYMENTD_DATABASE_FILE" placeholder:"FILE" allowed:"a file that holds one line, which begins with sqlite: or mysql://" help:"File that holds the address of the database, instead of PAYMENTD_DATABASE: keeps a password out of the environment."`
	Gateway      string `default:"sandbox:" env:"PAYMENTD_GATEWAY" allowed:"${gateway_addresses}" help:"Gateway that charges: ${gateway_summaries}. Required if the database is MySQL or the address is not a loopback address."`
	GatewaysFile string `name:"gateways-file" default:"" env:"PAYMENTD_GATEWAYS_FILE" placeholder:"FILE" allowed:"a YAML file as described in docs/gateways.md" help:"File of several gateways, with their credentials and the routes between them, instead of PAYMENTD_GATEWAY."`
	Currency     string `default:"USD" env:"PAYMENTD_CURRENCY" allowed:"an ISO 4217 code, such as USD" help:"Currency of requests that name none."`

	MaxRetries         int              `default:"3" env:"PAYMENTD_MAX_RETRIES" min:"0" max:"10" help:"Retries after the first attempt of a round."`
	RetryDelay         time.Duration    `default:"1s" env:"PAYMENTD_RETRY_DELAY" min:"0s" max:"1m" help:"Delay before the first retry; doubles before each further retry."`
	RetryJitter        float64          `default:"0" env:"PAYMENTD_RETRY_JITTER" min:"0" max:"1" help:"Random variation of each delay, as a fraction of it."`
	DeferredRetries    []time.Duration  `name:"later-retries" env:"PAYMENTD_LATER_RETRIES" placeholder:"DELAY" allowed:"at most 20 delays above zero, such as 5m,1h,6h" help:"Delays after which a payment that was accepted with respond-async is retried if the gateway was not available. None by default."`
	GatewayTimeout     time.Duration    `default:"10s" env:"PAYMENTD_GATEWAY_TIMEOUT" min:"1ms" max:"10m" help:"Timeout of one attempt."`
	GatewayKeyLifetime optionalDuration `default:"" env:"PAYMENTD_GATEWAY_KEY_LIFETIME" placeholder:"24h" min:"0s" max:"87600h" help:"How long the gateway remembers an idempotency key after its first use; 0 means forever. A key that may be older is not sent again. Must be longer than the gateway timeout plus PAYMENTD_LATE. By default ${gateway_key_lifetimes}."`
	GatewayName        string           `default:"" env:"PAYMENTD_GATEWAY_NAME" placeholder:"NAME" allowed:"at most 255 printable ASCII characters without spaces" help:"Identity of the gateway, stored with each key instead of its base address: for an address that changes or that differs between replicas. A payment with another identity is neither sent nor looked up. Not for the sandbox."`
	GatewayLookupLag   time.Duration    `default:"0s" env:"PAYMENTD_GATEWAY_LOOKUP_LAG" min:"0s" max:"24h" help:"How long after a charge a lookup at the gateway may not see it. The gateway protocol guarantees 0s."`
	GatewayBearerFile  string           `default:"" env:"PAYMENTD_GATEWAY_BEARER_FILE" placeholder:"FILE" allowed:"a file with one line, a token" help:"File of a token that each request to the gateway has in 'Authorization: Bearer TOKEN'. Reread when it changes. Not for the sandbox. None by default."`
	GatewayEventsFile  string           `name:"gateway-events-secret-file" default:"" env:"PAYMENTD_GATEWAY_EVENTS_SECRET_FILE" placeholder:"FILE" allowed:"a file of one or two lines, which begin with whsec_" help:"File of the secrets that sign the events of the gateway: two while one is replaced. Reread when it changes. Events are posted to /gateways/http/events. Not for the sandbox. None by default, which means that no event is accepted."`
	Lease              time.Duration    `default:"30s" env:"PAYMENTD_LEASE" min:"10ms" max:"1h" help:"Duration of a claim on a payment unless it is renewed. Must be longer than the gateway timeout."`
	Wait               time.Duration    `default:"10s" env:"PAYMENTD_WAIT" min:"0s" max:"2m" help:"How long a request waits for another request on the same order."`
	Shutdown           time.Duration    `default:"20s" env:"PAYMENTD_SHUTDOWN" min:"0s" max:"1h" help:"Limit of a shutdown by SIGTERM, SIGINT or SIGHUP."`
	Late               time.Duration    `default:"1m" env:"PAYMENTD_LATE" min:"0s" max:"168h" help:"How long an attempt without an answer may still charge."`
	PendingTimeout     time.Duration    `default:"30m" env:"PAYMENTD_PENDING_TIMEOUT" min:"1s" max:"168h" help:"How long a customer who must act, such as to authenticate, has for it. Later the gateway is asked to cancel the charge."`
	Reconcile          time.Duration    `default:"5s" env:"PAYMENTD_RECONCILE" min:"10ms" max:"15m" help:"First interval between lookups of an unresolved payment; doubles up to 15m."`

	Workers          int           `default:"16" env:"PAYMENTD_WORKERS" min:"1" max:"1024" help:"Workers of the queue, for each kind of work: charges, takeovers and lookups."`
	Poll             time.Duration `default:"1s" env:"PAYMENTD_POLL" min:"10ms" max:"1m" help:"Longest sleep of the queue."`
	HeartbeatTimeout time.Duration `default:"5s" env:"PAYMENTD_HEARTBEAT_TIMEOUT" min:"100ms" max:"1h" help:"Time without a heartbeat after which the claims of a replica are taken over."`

	APIKeys     apiKeys `name:"api-keys" env:"PAYMENTD_API_KEYS" placeholder:"KEY,..." allowed:"keys of at least 16 characters each, of letters, digits and -._~+/=, separated by commas, without an empty element" help:"API keys with all scopes, sent by callers as 'Authorization: Bearer KEY'. 'paymentd keys create' makes further keys. Without any key, only a loopback address is served."`
	APIKeysFile string  `name:"api-keys-file" default:"" env:"PAYMENTD_API_KEYS_FILE" placeholder:"FILE" allowed:"a file of such keys, one per line or separated by commas; # begins a comment" help:"File of further API keys with all scopes. Reread when it changes."`

	EndpointsAllow   egress.Hosts  `name:"endpoints-allow" env:"PAYMENTD_ENDPOINTS_ALLOW" placeholder:"HOST,..." help:"Hosts of webhook endpoints that may have an address that is not public, such as a private or loopback address, and may be reached without TLS, over http:// or nats://. None by default."`
	EndpointsTimeout time.Duration `name:"endpoints-timeout" default:"10s" env:"PAYMENTD_ENDPOINTS_TIMEOUT" min:"100ms" max:"1m" help:"Timeout of one delivery of an event to a webhook endpoint."`

	NATSCredentialsFile string `name:"nats-credentials-file" default:"" env:"PAYMENTD_NATS_CREDENTIALS_FILE" placeholder:"FILE" allowed:"a file of NATS user credentials, or with one line user:password or a token" help:"Credentials for the NATS servers of endpoints. Read for each connection. None by default."`
	NATSCAFile          string `name:"nats-ca-file" default:"" env:"PAYMENTD_NATS_CA_FILE" placeholder:"FILE" allowed:"a PEM file" help:"Certificate authorities of the NATS servers of endpoints, instead of the system's."`

	LimitPerKey     httpapi.Rate    `env:"PAYMENTD_LIMIT_PER_KEY" placeholder:"RATE" help:"Rate limit of one API key: so many requests at once, and as many again during each second, minute or hour. Further requests get 429. None by default."`
	LimitPerAddress httpapi.Rate    `env:"PAYMENTD_LIMIT_PER_ADDRESS" placeholder:"RATE" help:"Rate limit of one client address, or of one IPv6 network of 64 bits, checked before the API key. None by default."`
	TrustedProxies  httpapi.Proxies `env:"PAYMENTD_TRUSTED_PROXIES" placeholder:"ADDRESS,..." help:"Proxies whose X-Forwarded-For is trusted. None by default."`
	AllowedHosts    httpapi.Hosts   `env:"PAYMENTD_ALLOWED_HOSTS" placeholder:"NAME,..." help:"Host names that a service without API keys accepts, in addition to localhost and the loopback addresses. Requests for other hosts get 421. With API keys, every host is accepted. None by default."`
	TLSCertificate  string          `name:"tls-certificate" default:"" env:"PAYMENTD_TLS_CERTIFICATE" placeholder:"FILE" allowed:"a PEM file" help:"TLS certificate, followed by its chain. Reread when it changes. None by default, which means plain HTTP."`
	TLSKey          string          `name:"tls-key" default:"" env:"PAYMENTD_TLS_KEY" placeholder:"FILE" allowed:"a PEM file" help:"Private key of the TLS certificate."`
	MaxConnections  int             `default:"0" env:"PAYMENTD_MAX_CONNECTIONS" min:"0" max:"2000000" help:"Client connections at most; further connections wait. 0 means twice PAYMENTD_MAX_REQUESTS."`

	Console             bool   `default:"true" env:"PAYMENTD_CONSOLE" help:"Whether the pages at /console are served, on which people who sign in with an API key watch payments and act on them."`
	DatabaseConnections int    `default:"32" env:"PAYMENTD_DATABASE_CONNECTIONS" min:"1" max:"10000" help:"Database connections at most."`
	SharedCommits       bool   `default:"true" env:"PAYMENTD_SHARED_COMMITS" help:"Whether payments that are stored at the same time share a commit."`
	MaxRequests         int    `default:"4096" env:"PAYMENTD_MAX_REQUESTS" min:"1" max:"1000000" help:"Concurrent requests at most; further requests get 503."`
	LogLevel            string `default:"info" env:"PAYMENTD_LOG_LEVEL" allowed:"debug, info, warn or error" help:"Lowest level that is logged."`
	Traces              string `default:"" env:"PAYMENTD_TRACES" placeholder:"URL" allowed:"an http:// or https:// address, such as http://127.0.0.1:4318" help:"Base URL of an OpenTelemetry collector that receives traces by OTLP over HTTP. None by default. OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_ variables apply as well."`
	PprofAddr           string `default:"" env:"PAYMENTD_PPROF_ADDR" placeholder:"HOST:PORT" allowed:"a loopback address, such as 127.0.0.1:6060" help:"Address that serves profiles under /debug/pprof/ and memory statistics under /debug/vars. None by default."`
}

// Defaults returns the configuration of `paymentd serve` without flags. Environment variables apply.
func Defaults() (Config, error) {
	var cfg Config
	err := kong.ApplyDefaults(&cfg, new(Reader).Options()...)
	return cfg, err
}

// LookupMax is the longest interval between two lookups of an unresolved payment.
const LookupMax = 15 * time.Minute

// KeyLifetime returns how long the gateway remembers a key; zero means forever.
func (c *Config) KeyLifetime() time.Duration {
	if c.GatewayKeyLifetime.given {
		return c.GatewayKeyLifetime.duration
	}
	return c.GatewayKind().Capabilities.KeyLifetime
}

// GatewayKind returns the kind of gateway. The address has been validated.
func (c *Config) GatewayKind() gateways.Kind {
	kind, _ := gateways.Find(c.Gateway)
	return kind
}

// ConnectionLimit returns how many client connections may be open. The default is larger than the
// number of concurrent requests, because further connections may be idle or still sending.
func (c *Config) ConnectionLimit() int {
	if c.MaxConnections > 0 {
		return c.MaxConnections
	}
	return 2 * c.MaxRequests
}

// MaxAttempts bounds the concurrent calls to the gateway: each request and each worker of the queue
// makes one call at a time.
func (c *Config) MaxAttempts() int { return c.MaxRequests + c.Workers }

// ServesLoopback reports whether the service listens on a loopback address only.
func (c *Config) ServesLoopback() bool {
	host, err := hostOf(c.Addr)
	return err == nil && isLoopback(host)
}

// SandboxNeedsName returns why a gateway that moves no money must be named explicitly; empty if it need
// not be. A forgotten PAYMENTD_GATEWAY would answer "success" and take no money.
func (c *Config) SandboxNeedsName() string {
	switch _, err := hostOf(c.Addr); {
	case hasPrefix(c.Database, "mysql://"):
		return "the database is MySQL"
	case err == nil && !c.ServesLoopback():
		return c.Addr + " is not a loopback address"
	}
	return ""
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

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// IsBaseURL reports whether s is an http:// or https:// address with a host.
func IsBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && hasPrefix(s, "http://", "https://") && u.Hostname() != ""
}

func hasPrefix(s string, anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(prefix string) bool { return strings.HasPrefix(s, prefix) })
}

func isLogLevel(s string) bool { return new(slog.Level).UnmarshalText([]byte(s)) == nil }
