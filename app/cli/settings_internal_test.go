package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"paymentd/app/config"
)

// settings lists the variables of `paymentd serve` with their defaults and another value.
var settings = []struct{ variable, byDefault, other string }{
	{"PAYMENTD_ADDR", "127.0.0.1:3000", "localhost:3100"},
	{"PAYMENTD_DATABASE", "sqlite:paymentd.db", "mysql://user:secret@db:3306/payments?tls=true"},
	{"PAYMENTD_DATABASE_FILE", "", "testdata/database"},
	{"PAYMENTD_GATEWAY", "sandbox:", "https://gateway:8443/v1"},
	{"PAYMENTD_GATEWAYS_FILE", "", "testdata/gateways.yaml"},
	{"PAYMENTD_CURRENCY", "USD", "JPY"},
	{"PAYMENTD_MAX_RETRIES", "3", "5"},
	{"PAYMENTD_RETRY_DELAY", "1s", "250ms"},
	{"PAYMENTD_RETRY_JITTER", "0", "0.25"},
	{"PAYMENTD_LATER_RETRIES", "", "5m,1h,6h"},
	{"PAYMENTD_GATEWAY_TIMEOUT", "10s", "7s"},
	{"PAYMENTD_GATEWAY_KEY_LIFETIME", "", "48h"},
	{"PAYMENTD_GATEWAY_NAME", "", "bank"},
	{"PAYMENTD_GATEWAY_LOOKUP_LAG", "0s", "2s"},
	{"PAYMENTD_GATEWAY_BEARER_FILE", "", "testdata/token"},
	{"PAYMENTD_GATEWAY_EVENTS_SECRET_FILE", "", "testdata/webhook-secret"},
	{"PAYMENTD_LEASE", "30s", "31s"},
	{"PAYMENTD_WAIT", "10s", "0s"},
	{"PAYMENTD_SHUTDOWN", "20s", "1m"},
	{"PAYMENTD_LATE", "1m", "2m"},
	{"PAYMENTD_PENDING_TIMEOUT", "30m", "1h"},
	{"PAYMENTD_RECONCILE", "5s", "6s"},
	{"PAYMENTD_WORKERS", "16", "4"},
	{"PAYMENTD_POLL", "1s", "2s"},
	{"PAYMENTD_HEARTBEAT_TIMEOUT", "5s", "8s"},
	{"PAYMENTD_API_KEYS", "", "0123456789abcdef,fedcba9876543210"},
	{"PAYMENTD_API_KEYS_FILE", "", "testdata/api-keys"},
	{"PAYMENTD_LIMIT_PER_KEY", "", "100/s"},
	{"PAYMENTD_LIMIT_PER_ADDRESS", "", "6000/m"},
	{"PAYMENTD_ALLOWED_HOSTS", "", "pay.internal,10.0.0.7"},
	{"PAYMENTD_ENDPOINTS_ALLOW", "", "hooks.internal,10.0.0.7"},
	{"PAYMENTD_ENDPOINTS_TIMEOUT", "10s", "5s"},
	{"PAYMENTD_TRUSTED_PROXIES", "", "10.0.0.7,192.168.0.0/16,fd00::/8"},
	{"PAYMENTD_TLS_CERTIFICATE", "", "tls.crt"},
	{"PAYMENTD_TLS_KEY", "", "tls.key"},
	{"PAYMENTD_MAX_CONNECTIONS", "0", "5000"},
	{"PAYMENTD_DATABASE_CONNECTIONS", "32", "8"},
	{"PAYMENTD_SHARED_COMMITS", "true", "false"},
	{"PAYMENTD_MAX_REQUESTS", "4096", "100"},
	{"PAYMENTD_LOG_LEVEL", "info", "debug"},
	{"PAYMENTD_TRACES", "", "http://127.0.0.1:4318"},
	{"PAYMENTD_PPROF_ADDR", "", "localhost:6060"},
	{"PAYMENTD_CONSOLE", "true", "false"},
	{"PAYMENTD_NATS_CREDENTIALS_FILE", "", "nats.creds"},
	{"PAYMENTD_NATS_CA_FILE", "", "nats-ca.pem"},
}

func TestConfig_Tags_HaveTheDefaults(t *testing.T) {
	t.Parallel()

	documented := make(map[string]string)
	for _, s := range settings {
		documented[s.variable] = s.byDefault
	}
	coded := make(map[string]string)
	for field := range reflect.TypeFor[config.Config]().Fields() {
		coded[field.Tag.Get("env")] = field.Tag.Get("default")
	}
	require.Equal(t, documented, coded)
}

// companions are the flags that a setting requires.
var companions = map[string]string{
	"PAYMENTD_GATEWAY_NAME":               "--gateway=https://gateway.example",
	"PAYMENTD_GATEWAY_BEARER_FILE":        "--gateway=https://gateway.example",
	"PAYMENTD_GATEWAY_EVENTS_SECRET_FILE": "--gateway=https://gateway.example",
	"PAYMENTD_TLS_CERTIFICATE":            "--tls-key=tls.key", "PAYMENTD_TLS_KEY": "--tls-certificate=tls.crt",
}

// TestParse_FlagOrVariable_SetsTheSame sets each setting by its variable and by its flag.
func TestParse_FlagOrVariable_SetsTheSame(t *testing.T) {
	unsetVariables(t)
	byDefault := serveConfig(t)
	for _, s := range settings {
		t.Run(s.variable, func(t *testing.T) {
			var companion []string
			if flag, ok := companions[s.variable]; ok {
				companion = []string{flag}
			}
			byFlag := serveConfig(t, append(companion, flagOf(s.variable)+"="+s.other)...)
			require.NotEqual(t, byDefault, byFlag, "the flag changes nothing")

			t.Setenv(s.variable, s.other)
			require.Equal(t, byFlag, serveConfig(t, companion...))

			over := serveConfig(t, flagOf(s.variable)+"="+s.byDefault)
			// As text, in which an empty list and nil are the same.
			require.Equal(t, fmt.Sprint(byDefault), fmt.Sprint(over), "the flag must take precedence over the variable")
		})
	}
}

//nolint:paralleltest // all tests share one environment
func TestParse_APIKeys_TrimsWhiteSpace(t *testing.T) {
	unsetVariables(t)
	for value, want := range map[string][]string{
		"":                                     nil,
		" ":                                    nil,
		"0123456789abcdef\n":                   {"0123456789abcdef"},
		" 0123456789abcdef, fedcba9876543210 ": {"0123456789abcdef", "fedcba9876543210"},
	} {
		t.Setenv("PAYMENTD_API_KEYS", value)
		require.Equal(t, want, []string(serveConfig(t).APIKeys), "of %q", value)
	}
	require.NotContains(t, fmt.Sprintf("%v", config.Config{APIKeys: []string{"0123456789abcdef"}}), "0123456789abcdef")
}

func TestParse_ValueOutOfBounds_ReturnsError(t *testing.T) {
	unsetVariables(t)
	for variable, values := range map[string]struct{ right, wrong []string }{
		"PAYMENTD_ADDR": {
			right: []string{"localhost:0", "[::1]:65535", "127.1.2.3:80"},
			wrong: []string{"", "3000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "::1:80"},
		},
		"PAYMENTD_DATABASE":             {right: []string{"sqlite:/var/lib/x.db"}, wrong: []string{"", "payments.db", "postgres://u@h/d", "mysql:u@h"}},
		"PAYMENTD_DATABASE_FILE":        {right: []string{"", "testdata/database"}, wrong: []string{"testdata/nothing", "testdata", "testdata/api-keys", "/dev/null"}},
		"PAYMENTD_GATEWAY":              {right: []string{"sandbox:x.ledger", "http://h:1"}, wrong: []string{"", "gateway:8443", "ftp://h", "stripe:"}},
		"PAYMENTD_GATEWAYS_FILE":        {right: []string{"", "testdata/gateways.yaml"}, wrong: []string{"testdata/nothing", "testdata", "/dev/null"}},
		"PAYMENTD_CURRENCY":             {right: []string{"KWD"}, wrong: []string{"", "usd", "XYZ", "US"}},
		"PAYMENTD_MAX_RETRIES":          {right: []string{"0", "10"}, wrong: []string{"", "-1", "11", "three", "1.5", "99999999999999999999"}},
		"PAYMENTD_RETRY_DELAY":          {right: []string{"0s", "1m"}, wrong: []string{"", "-1ns", "1m1ns", "1", "1 s"}},
		"PAYMENTD_RETRY_JITTER":         {right: []string{"0", "1"}, wrong: []string{"", "-0.1", "1.1", "NaN", "half"}},
		"PAYMENTD_LATER_RETRIES":        {right: []string{"", "1ns", "1s" + strings.Repeat(",1s", 19)}, wrong: []string{"0s", "5m,-1s", "5m,x", "5", "1s" + strings.Repeat(",1s", 20)}},
		"PAYMENTD_GATEWAY_TIMEOUT":      {right: []string{"1ms", "29s"}, wrong: []string{"", "999us", "10m1s", "soon"}},
		"PAYMENTD_GATEWAY_KEY_LIFETIME": {right: []string{"", "0", "0s", "70001ms", "24h", "87600h"}, wrong: []string{"-1s", "1m10s", "1ns", "24", "day", "87601h"}},
		"PAYMENTD_GATEWAY_LOOKUP_LAG":   {right: []string{"0s", "24h"}, wrong: []string{"", "-1s", "24h1s"}},
		"PAYMENTD_LEASE":                {right: []string{"10001ms", "1h"}, wrong: []string{"", "10s", "9ms", "1h1s"}},
		"PAYMENTD_WAIT":                 {right: []string{"0s", "2m"}, wrong: []string{"", "-1s", "2m1s"}},
		"PAYMENTD_ENDPOINTS_ALLOW":      {right: []string{"", "hooks.internal", "A.b., 10.1.2.3,[::1]"}, wrong: []string{",", "a,,b", "a:80", "https://a", "*.internal", "10.0.0.0/8"}},
		"PAYMENTD_ENDPOINTS_TIMEOUT":    {right: []string{"100ms", "1m"}, wrong: []string{"", "0s", "99ms", "61s"}},
		"PAYMENTD_SHUTDOWN":             {right: []string{"0s", "1h"}, wrong: []string{"", "-1s", "61m"}},
		"PAYMENTD_LATE":                 {right: []string{"0s", "168h"}, wrong: []string{"", "-1s", "169h"}},
		"PAYMENTD_PENDING_TIMEOUT":      {right: []string{"1s", "168h"}, wrong: []string{"", "0s", "-1s", "169h"}},
		"PAYMENTD_RECONCILE":            {right: []string{"10ms", "15m"}, wrong: []string{"", "0s", "9ms", "16m"}},
		"PAYMENTD_WORKERS":              {right: []string{"1", "1024"}, wrong: []string{"", "0", "1025"}},
		"PAYMENTD_POLL":                 {right: []string{"10ms", "1m"}, wrong: []string{"", "9ms", "61s"}},
		"PAYMENTD_HEARTBEAT_TIMEOUT":    {right: []string{"100ms", "1h"}, wrong: []string{"", "99ms", "61m"}},
		"PAYMENTD_API_KEYS":             {right: []string{"", "abc-._~+/=0123456"}, wrong: []string{",", "0123456789abcdef,", "0123456789abcdef,,fedcba9876543210", "0123456789abcde", "0123456789abcdef,short", "0123456789 abcdef", "0123456789abcdéf"}},
		"PAYMENTD_API_KEYS_FILE":        {right: []string{"", "testdata/api-keys"}, wrong: []string{"testdata/nothing", "testdata"}},
		"PAYMENTD_LIMIT_PER_KEY":        {right: []string{"", "1/s", "1000000/h"}, wrong: []string{"0/s", "100", "100/d", "1000001/s", "-1/s", "many"}},
		"PAYMENTD_LIMIT_PER_ADDRESS":    {right: []string{"", "20/m"}, wrong: []string{"1.5/s", "100/s,6000/m"}},
		"PAYMENTD_TRUSTED_PROXIES":      {right: []string{"", "10.0.0.7, 10.1.0.0/16", "::1"}, wrong: []string{",", "10.0.0.7,", "10.0.0.7,,::1", "0.0.0.0/1,128.0.0.0/1", "balancer", "10.0.0.7:80", "10.0.0.0/33", "0.0.0.0/0"}},
		"PAYMENTD_ALLOWED_HOSTS":        {right: []string{"", "pay.internal", "Pay.Internal., [::1] ,10.0.0.7", "my_service"}, wrong: []string{",", "a,", "a,,b", "*", "*.internal", "http://pay.internal", "pay.internal:3000", "pay.internal/x", "a..b", "[::1", "b\u00fccher.example"}},
		"PAYMENTD_MAX_CONNECTIONS":      {right: []string{"0", "1", "2000000"}, wrong: []string{"", "-1", "2000001"}},
		"PAYMENTD_DATABASE_CONNECTIONS": {right: []string{"1", "10000"}, wrong: []string{"", "0", "10001"}},
		"PAYMENTD_SHARED_COMMITS":       {right: []string{"true", "false", "0"}, wrong: []string{"maybe", "2"}},
		"PAYMENTD_MAX_REQUESTS":         {right: []string{"1", "1000000"}, wrong: []string{"", "0", "1000001"}},
		"PAYMENTD_LOG_LEVEL":            {right: []string{"debug", "warn", "error"}, wrong: []string{"", "loud"}},
		"PAYMENTD_TRACES":               {right: []string{"", "https://collector/otel"}, wrong: []string{"collector:4318", "http://", "http://:4318", "http://a b", "ftp://h"}},
		"PAYMENTD_PPROF_ADDR": {
			right: []string{"", "localhost:0", "[::1]:6060", "127.1.2.3:80"},
			wrong: []string{"6060", "127.0.0.1", ":6060", "0.0.0.0:6060", "[::]:6060", "192.0.2.1:6060", "example.com:6060"},
		},
	} {
		t.Run(variable, func(t *testing.T) {
			for _, value := range values.right {
				t.Setenv(variable, value)
				_, err := parse([]string{"serve"}, io.Discard, io.Discard, "devel")
				require.NoError(t, err, "%q is right", value)
			}
			for _, value := range values.wrong {
				t.Setenv(variable, value)
				_, err := parse([]string{"serve"}, io.Discard, io.Discard, "devel")
				require.ErrorContains(t, err, variable+" (--"+flagOf(variable)[2:]+"): must be", "%q is wrong", value)
				require.NotContains(t, err.Error(), "\n")
			}
		})
	}
}

// TestParse_DatabaseFile checks that a file and an address exclude each other, and that no error shows the
// content of the file.
//
//nolint:paralleltest // all tests share one environment
func TestParse_DatabaseFile(t *testing.T) {
	unsetVariables(t)
	for _, command := range []string{"serve", "doctor", "stuck", "migrate up", "keys list"} {
		args := strings.Fields(command)
		t.Setenv("PAYMENTD_DATABASE_FILE", "testdata/database")
		_, err := parse(args, io.Discard, io.Discard, "devel")
		require.NoError(t, err)
		_, err = parse(append(args, "--database=sqlite:other.db"), io.Discard, io.Discard, "devel")
		require.ErrorContains(t, err, "PAYMENTD_DATABASE_FILE (--database-file): must not be set together with PAYMENTD_DATABASE")
		t.Setenv("PAYMENTD_DATABASE", "sqlite:paymentd.db")
		_, err = parse(args, io.Discard, io.Discard, "devel")
		require.ErrorContains(t, err, "must not be set together with PAYMENTD_DATABASE")
		require.NoError(t, os.Unsetenv("PAYMENTD_DATABASE"))
	}
	secret := filepath.Join(t.TempDir(), "secret")
	for content, problem := range map[string]string{
		"": "is", "\n \n": "must be a file that is not empty", "sesame": "must be a file that holds one line",
		"sqlite:a.db\nsesame": "must be a file that holds one line", "postgres://u:sesame@h/d": "must be a file that holds one line",
		strings.Repeat("sesame", 16<<10): "must be a file of at most 16384 bytes",
	} {
		require.NoError(t, os.WriteFile(secret, []byte(content), 0o600))
		_, err := parse([]string{"serve", "--database-file=" + secret}, io.Discard, io.Discard, "devel")
		require.ErrorContains(t, err, "PAYMENTD_DATABASE_FILE (--database-file): must ")
		require.ErrorContains(t, err, problem)
		require.NotContains(t, err.Error(), "sesame")
	}
}

// TestParse_LedgerIsTheDatabase_ReturnsError uses several names of one file.
//
//nolint:paralleltest // all tests share one environment
func TestParse_LedgerIsTheDatabase_ReturnsError(t *testing.T) {
	unsetVariables(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "x.db")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(folder, filepath.Join(folder, "link")))
	require.NoError(t, os.Link(file, filepath.Join(folder, "hard")))
	for _, ledger := range []string{
		file, file + "-wal", file + "-shm", file + "-journal", folder + "/./x.db", folder + "/link/x.db",
		folder + "/link/x.db-wal", folder + "/hard",
	} {
		_, err := parse([]string{"serve", "--database=sqlite:" + file, "--gateway=sandbox:" + ledger}, io.Discard, io.Discard, "devel")
		require.ErrorContains(t, err, "PAYMENTD_GATEWAY (--gateway): must name a ledger that is another file than the database's", ledger)
	}
	_, err := parse([]string{"serve", "--database=sqlite:paymentd-sandbox.ledger"}, io.Discard, io.Discard, "devel")
	require.ErrorContains(t, err, "must name a ledger that is another file", "the default ledger")
	_, err = parse([]string{"serve", "--database=sqlite:" + file, "--gateway=sandbox:" + folder + "/x.ledger"}, io.Discard, io.Discard, "devel")
	require.NoError(t, err)
}

//nolint:paralleltest // all tests share one environment
func TestDefaults_EqualServeWithoutFlags(t *testing.T) {
	unsetVariables(t)
	cfg, err := config.Defaults()
	require.NoError(t, err)
	require.Equal(t, serveConfig(t), cfg)
}

// TestCommands_HaveHelp covers each command, argument and flag.
func TestCommands_HaveHelp(t *testing.T) {
	t.Parallel()

	parser, err := kong.New(&commands{}, new(config.Reader).Options()...)
	require.NoError(t, err)
	require.NoError(t, kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		switch n := node.(type) {
		case *kong.Node:
			require.NotEmpty(t, n.Help, n.Name)
		case *kong.Flag:
			require.NotEmpty(t, n.Help, n.Name)
		case *kong.Value:
			require.NotEmpty(t, n.Help, n.Name)
		}
		return next(nil)
	}))
}

func TestRun_Help_ListsSettings(t *testing.T) {
	t.Parallel()

	for _, command := range []string{
		"", "serve", "sandbox", "migrate", "migrate up", "migrate down", "migrate status",
		"keys", "keys create", "keys list", "keys revoke", "doctor", "stuck", "resolve", "import", "audit", "archive",
		"health", "version",
	} {
		var stdout, stderr bytes.Buffer
		code := Run(t.Context(), append(strings.Fields(command), "--help"), &stdout, &stderr, "v1")
		require.Zero(t, code)
		require.Empty(t, stderr.String())
		help := stdout.String()
		require.Contains(t, help, strings.TrimSpace("Usage: paymentd "+command))
		for line := range strings.Lines(help) {
			require.LessOrEqual(t, len([]rune(strings.TrimSpace(line))), 100)
		}
		for _, s := range settings {
			if command == "serve" || command == "doctor" || command == "audit" {
				require.Contains(t, help, flagOf(s.variable))
				require.Contains(t, strings.Join(strings.Fields(help), " "), "($"+s.variable+")")
			}
		}
	}
}

func TestRun_SandboxHelp_ListsAmounts(t *testing.T) {
	t.Parallel()

	var stdout bytes.Buffer
	Run(t.Context(), []string{"sandbox", "--help"}, &stdout, io.Discard, "v1")
	for _, amount := range []string{"9402 is declined", "9504 is charged, but the first answer is lost"} {
		require.Contains(t, strings.Join(strings.Fields(stdout.String()), " "), amount)
	}
}

func flagOf(variable string) string {
	return "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "PAYMENTD_"), "_", "-"))
}

// serveConfig returns the configuration of `paymentd serve` with the flags and the environment.
func serveConfig(t *testing.T, flags ...string) config.Config {
	t.Helper()
	parsed, err := parse(slices.Concat([]string{"serve"}, flags), io.Discard, io.Discard, "devel")
	require.NoError(t, err)
	command, ok := reflect.TypeAssert[*serveCommand](parsed.Selected().Target.Addr())
	require.True(t, ok)
	return command.Config
}

// unsetVariables unsets the variables of the environment that runs the tests.
func unsetVariables(t *testing.T) {
	t.Helper()
	for _, s := range settings {
		t.Setenv(s.variable, "")
		require.NoError(t, os.Unsetenv(s.variable))
	}
}

// TestKeyLifetime_DependsOnGateway covers the defaults of the gateway kinds and explicit values.
//
//nolint:paralleltest // all tests share one environment
func TestKeyLifetime_DependsOnGateway(t *testing.T) {
	unsetVariables(t)
	for _, tt := range []struct {
		flags []string
		want  time.Duration
	}{
		{nil, 0},
		{[]string{"--gateway-key-lifetime=2h"}, 2 * time.Hour},
		{[]string{"--gateway=http://gateway"}, 24 * time.Hour},
		{[]string{"--gateway=https://gateway"}, 24 * time.Hour},
		{[]string{"--gateway=https://gateway", "--gateway-key-lifetime=0"}, 0},
		{[]string{"--gateway=https://gateway", "--gateway-key-lifetime=2h"}, 2 * time.Hour},
	} {
		cfg := serveConfig(t, tt.flags...)
		require.Equal(t, tt.want, cfg.KeyLifetime(), "%v", tt.flags)
	}
	cfg := serveConfig(t, "--gateway=https://gateway")
	cfg.Late = 24 * time.Hour
	require.ErrorContains(t, cfg.Validate(), "PAYMENTD_GATEWAY_KEY_LIFETIME (--gateway-key-lifetime): must be longer than "+
		"PAYMENTD_GATEWAY_TIMEOUT and PAYMENTD_LATE together, 24h0m10s, or 0 if the gateway never forgets a key, and is 24h0m0s")
}
