package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/resilience"
	"paymentd/app/apptest"
	"paymentd/app/gateways"
	"paymentd/core/payment"
)

// fileConfig returns the settings of a service with a gateways file. FOLDER in the text is a folder with
// secrets.
func fileConfig(t *testing.T, text string) *Config {
	t.Helper()
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	write("token", "secret-token-1\n")
	write("other", "secret token 2")
	certificate, key := apptest.Certify(t, folder, time.Now().Add(time.Hour))
	text = strings.NewReplacer("FOLDER", folder, "CERTIFICATE", certificate, "KEY", key).Replace(text)
	cfg, err := Defaults()
	require.NoError(t, err)
	cfg.Database = "sqlite:" + filepath.Join(folder, "paymentd.db")
	cfg.GatewaysFile = write("gateways.yaml", text)
	return &cfg
}

const example = `gateways:
  - name: stripe-eu
    kind: http
    url: https://one.example
    operations: [capture, void]
    payment_methods: [pm_*, card_*]
  - {name: bank, kind: http, url: https://gateway.example/v1, bearer_file: FOLDER/token, key_lifetime: 30h, lookup_lag: 2s, operations: []}
  - name: spare
    kind: http
    id: https://spare.example
    moved_from: [http://127.0.0.1:8, http://127.0.0.1:7/v1]
    url: http://127.0.0.1:9
    ca_file: CERTIFICATE
    client_certificate_file: CERTIFICATE
    client_key_file: KEY
    headers: {X-Merchant: 42, x-mode: "test"}
    timeout: 3s
    max_retries: 0
    retry_delay: 250ms
    max_concurrent: 20
    breaker_attempts: 50
    breaker_delay: 2s
    payment_methods: tok_*
routes:
  - {currency: [EUR, SEK], use: [bank, stripe-eu]}
  - {currency: JPY, amount_from: 1000, amount_below: "50000", use: spare}
  - {amount_from: 1000.00, use: [stripe-eu]}
  - {use: [stripe-eu, bank]}
`

func TestGatewaysFile(t *testing.T) {
	t.Parallel()
	cfg := fileConfig(t, example)
	require.NoError(t, cfg.Validate())
	set, err := cfg.GatewaySet()
	require.NoError(t, err)
	require.Len(t, set.Gateways, 3)

	first, bank, spare := set.Gateways[0], set.Gateways[1], set.Gateways[2]
	require.Equal(t, []payment.MethodPattern{"pm_*", "card_*"}, first.Methods)
	require.Equal(t, "stripe-eu", first.Name)
	require.Equal(t, payment.OperationCapture|payment.OperationVoid, *first.Options.Operations)
	require.Zero(t, *bank.Options.Operations)
	require.Nil(t, spare.Options.Operations, "all")
	require.Equal(t, payment.GatewayID("stripe-eu"), first.Options.ID)
	require.Equal(t, cfg.MaxAttempts(), first.MaxConcurrent)
	require.Equal(t, resilience.RetryOptions{MaxRetries: 3, Delay: time.Second}, first.Retry)
	require.Equal(t, 24*time.Hour, first.Options.KeyLifetime)
	require.Equal(t, 10*time.Second, first.Options.Timeout)

	require.Equal(t, filepath.Join(filepath.Dir(cfg.GatewaysFile), "token"), bank.Options.BearerFile)
	require.Equal(t, 30*time.Hour, bank.Options.KeyLifetime)
	require.Equal(t, 2*time.Second, bank.Options.LookupLag)

	require.Equal(t, payment.GatewayID("https://spare.example"), spare.Options.ID)
	require.Equal(t, map[string]string{"X-Merchant": "42", "x-mode": "test"}, spare.Options.Headers)
	require.Equal(t, 3*time.Second, spare.Options.Timeout)
	require.Equal(t, resilience.RetryOptions{Delay: 250 * time.Millisecond}, spare.Retry)
	require.Equal(t, 20, spare.MaxConcurrent)
	require.Equal(t, gateways.Breaker{Attempts: 50, Delay: 2 * time.Second}, spare.Breaker)
	require.NotEmpty(t, spare.Options.CAFile)
	require.NotEmpty(t, spare.Options.ClientCertificate)
	require.NotEmpty(t, spare.Options.ClientKey)

	require.Len(t, set.Routes, 4)
	require.Equal(t, []string{"bank", "stripe-eu"}, set.Routes[0].Use)
	require.Equal(t, []string{"spare"}, set.Routes[1].Use)
	require.True(t, set.CatchAll())
	require.True(t, set.MovesMoney())
	require.Equal(t, 10*time.Second, set.Timeout())
}

// A single gateway needs no routes, and sandboxes may be tried together.
func TestGatewaysFile_Minimal(t *testing.T) {
	t.Parallel()
	set, err := fileConfig(t, "gateways: [{name: bank, kind: http, url: https://gateway.example}]\n").GatewaySet()
	require.NoError(t, err)
	require.Equal(t, []gateways.Route{{Use: []string{"bank"}}}, set.Routes)

	set, err = fileConfig(t, "gateways:\n- {name: a, kind: sandbox, ledger: FOLDER/a}\n- {name: b, kind: sandbox, ledger: FOLDER/b}\n"+
		"routes: [{currency: EUR, use: [a, b]}]").GatewaySet()
	require.NoError(t, err)
	require.False(t, set.MovesMoney())
	require.False(t, set.CatchAll())
}

// Each mistake is one line, which names the file, the line and what to change, and holds no secret.
func TestGatewaysFile_Mistakes(t *testing.T) {
	t.Parallel()
	const bank = "gateways:\n- {name: bank, kind: http, url: https://gateway.example, X}\n"
	const two = "gateways:\n- {name: a, kind: http, url: https://a.example}\n- {name: b, kind: http, url: https://b.example}\n"
	with := func(field string) string { return strings.Replace(bank, "X", field, 1) }
	for text, want := range map[string]string{
		"":                                          ": must hold a YAML document",
		"gateways: [":                               ":1: is not valid YAML",
		"a: b: c":                                   ":1: is not valid YAML: mapping values are not allowed in this context",
		"- bank":                                    ":1: the file must be fields",
		"routes: []":                                ":1: the file must have the list gateways",
		"gateways: []":                              ":1: gateways must be a list with 1 to 32 elements",
		"gateways: bank":                            ":1: gateways must be a list",
		"gateway: []":                               `:1: the file has the unknown field "gateway" (did you mean gateways?)`,
		two + "---\na: b":                           ":4: must hold one YAML document",
		"gateways: [bank]":                          ":1: a gateway must be fields",
		"gateways: [{kind: http}]":                  ":1: a gateway must have a name of 1 to 64 characters of a-z, 0-9 and -",
		"gateways: [{name: Bank}]":                  ":1: a gateway must have a name",
		"gateways: [{name: bank}]":                  ":1: gateway bank must have a kind: sandbox, http, stripe or square",
		"gateways: [{name: b, kind: ftp}]":          ":1: gateway b must have a kind: sandbox, http, stripe or square",
		"gateways: [{name: b, kind: http}]":         ":1: gateway b must have the field url",
		with("key_life: 24h"):                       `:2: gateway bank of kind http has the unknown field "key_life"`,
		with("timout: 1s"):                          `:2: gateway bank of kind http has the unknown field "timout" (did you mean timeout?)`,
		with("ledger: x"):                           `:2: gateway bank of kind http has the unknown field "ledger"; its fields are name, kind, id, moved_from, timeout`,
		with("url: https://x.example"):              `:2: a gateway has the field "url" twice; remove one of them`,
		with("timeout: 1"):                          `:2: timeout of gateway bank must be a duration, such as 500ms, 30s or 24h, and is "1"`,
		with("timeout: 11m"):                        ":2: timeout of gateway bank must be from 1ms to 10m",
		with("timeout: 30s"):                        ":2: gateway bank: timeout must be shorter than PAYMENTD_LEASE, 30s, and is 30s",
		with("timeout: null"):                       ":2: timeout of gateway bank must have a value",
		with("timeout: [1s, 2s]"):                   ":2: timeout of gateway bank must be a list with 1 to 1 elements",
		with("max_retries: 11"):                     `:2: max_retries of gateway bank must be a whole number from 0 to 10, and is "11"`,
		with("max_concurrent: 0"):                   ":2: max_concurrent of gateway bank must be a whole number from 1 to 1000000",
		with("breaker_attempts: 9"):                 ":2: breaker_attempts of gateway bank must be",
		with("breaker_delay: 1ms"):                  ":2: breaker_delay of gateway bank must be",
		with("key_lifetime: 1m"):                    ":2: gateway bank: key_lifetime must be longer than timeout and PAYMENTD_LATE together, 1m10s",
		with("payment_methods: [pm_*, pm_*]"):       `:2: payment_methods of gateway bank has "pm_*" twice`,
		with("payment_methods: 'a b'"):              ":2: payment_methods of gateway bank must be 1 to 255 printable ASCII characters",
		with("id: 'a b'"):                           ":2: id of gateway bank must be 1 to 255 printable ASCII characters",
		with("moved_from: ''"):                      ":2: moved_from of gateway bank must be 1 to 512 characters",
		with("moved_from: [https://a, https://a]"):  `:2: moved_from of gateway bank has "https://a" twice`,
		with("bearer_file: FOLDER/nothing"):         "/nothing cannot be read: no such file or directory",
		with("webhook_secret_file: FOLDER/nothing"): "/nothing cannot be read: no such file or directory",
		with("webhook_secret_file: FOLDER/token"):   "/token: line 1: a secret must be whsec_ and the base64 of 24 to 64 bytes",
		with("bearer_file: FOLDER/other"):           "/other: it must hold one token, of letters, digits and -._~+/=",
		with("ca_file: FOLDER/token"):               "/token holds no certificate in PEM format",
		with("client_key_file: KEY"):                ":2: gateway bank must have both client_certificate_file and client_key_file, or neither",
		with("client_key_file: KEY, client_certificate_file: FOLDER/token"):                      "it and its key do not go together",
		with("headers: {Authorization: x}"):                                                      ":2: headers of gateway bank: the header Authorization is set by the gateway protocol or by another setting",
		with("operations: [refund, charge]"):                                                     `:2: operations of gateway bank must be a list of capture, void and refund, and has "charge"`,
		with("operations: [refund, refund]"):                                                     `:2: operations of gateway bank has "refund" twice`,
		with("operations: {refund: true}"):                                                       ":2: operations of gateway bank must be a list with 1 to 3 elements",
		with("operations: [a, b, c, d]"):                                                         ":2: operations of gateway bank must be a list with 1 to 3 elements",
		with("headers: x"):                                                                       ":2: headers of gateway bank must be fields",
		with("name: &n bank2"):                                                                   `:2: a gateway has the field "name" twice`,
		"gateways: [{name: b, kind: http, url: ftp://x}]":                                        ":1: url of gateway b must begin with http:// or https://",
		"gateways: [{name: b, kind: http, url: 'https://user:secret-9@h'}]":                      ":1: url of gateway b must hold no user name or password",
		"gateways: [&a {name: b, kind: http, url: https://x.example}, *a]":                       ":1: an alias (*a) must not be used",
		"gateways: [{name: s, kind: stripe, return_url: http://shop.example}]":                   ":1: return_url of gateway s cannot be used: it must be an absolute https:// URL",
		"gateways: [{name: s, kind: sandbox}]":                                                   ":1: gateway s must have the field ledger",
		"gateways: [{name: s, kind: sandbox, ledger: FOLDER/paymentd.db}]":                       ":1: ledger of gateway s must be another file than the database's",
		"gateways: [{name: s, kind: sandbox, ledger: a}, {name: t, kind: sandbox, ledger: ./a}]": ":1: gateway t must have another ledger than gateway s",
		"gateways: [{name: s, kind: sandbox, ledger: a}, {name: b, kind: http, url: https://b}]": ":1: gateway b must not be in one file with gateway s: one of them moves no money",
		strings.Replace(two, "name: b", "name: a", 1):                                            ":3: the name a is used twice",
		strings.Replace(two, "name: b", "name: b, id: a", 1):                                     ":3: the id a is used twice",
		two:                               ":1: the file must have the list routes, because it has several gateways: such as - {use: [a, b]}",
		two + "routes: []":                ":4: routes must be a list",
		two + "routes: [{currency: EUR}]": ":4: a route must have the field use",
		two + "routes: [{use: []}]":       ":4: use must be a list",
		two + "routes: [{use: [a, c]}]":   `:4: use has "c", which is none of the gateways of the file`,
		two + "routes: [{use: [a, a]}]":   `:4: use has "a" twice`,
		two + "routes:\n- {use: a}\n- {currency: EUR, use: b}":               ":6: this route is never used, because the route at line 5 matches every payment",
		two + "routes: [{gateways: [a]}]":                                    `:4: a route has the unknown field "gateways"; its fields are currency, amount_from, amount_below, use`,
		two + "routes: [{currency: EUX, use: a}]":                            ":4: currency must be an active ISO 4217 code",
		two + "routes: [{currency: eur, use: a}]":                            ":4: currency must be in upper case: EUR",
		two + "routes: [{currency: [EUR, EUR], use: a}]":                     `:4: currency of a route has "EUR" twice`,
		two + "routes: [{amount_from: 1e3, use: a}]":                         ":4: amount_from must be written without an exponent",
		two + "routes: [{amount_from: -1, use: a}]":                          ":4: amount_from must be above zero",
		two + "routes: [{amount_from: 10, amount_below: 10.00, use: a}]":     ":4: amount_below must be above amount_from; no payment matches this route",
		two + "routes: [{amount_from: 10.50, currency: [EUR, JPY], use: a}]": ":4: amount_from and amount_below must have no more decimals than the currencies of the route, and JPY has 0",
	} {
		cfg := fileConfig(t, text)
		_, err := cfg.GatewaySet()
		require.ErrorContains(t, err, "PAYMENTD_GATEWAYS_FILE (--gateways-file): ", text)
		var setting *SettingError
		require.ErrorAs(t, err, &setting, text)
		if strings.HasPrefix(want, ":") {
			want = cfg.GatewaysFile + want
		}
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n", text)
		require.NotRegexp(t, "secret.token", err.Error(), text)
	}
}

// The settings of a single gateway beside the file are refused, with where to put them.
func TestGatewaysFile_SettingsOfOneGateway_AreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) { c.Gateway = "https://x.example" }, "PAYMENTD_GATEWAY (--gateway): must not be set together with PAYMENTD_GATEWAYS_FILE"},
		{func(c *Config) { c.GatewayKeyLifetime.given = true }, "set key_lifetime of each gateway in the file"},
		{func(c *Config) { c.GatewayName = "x" }, "set id of the gateway in the file"},
		{func(c *Config) { c.GatewayLookupLag = 1 }, "set lookup_lag of each gateway in the file"},
		{func(c *Config) { c.GatewayEventsFile = "x" }, "set webhook_secret_file of the gateway in the file"},
		{func(c *Config) { c.GatewayBearerFile = "x" }, "set bearer_file of the gateway in the file"},
	} {
		cfg := fileConfig(t, example)
		tt.change(cfg)
		require.ErrorContains(t, cfg.Validate(), tt.want)
	}
}
