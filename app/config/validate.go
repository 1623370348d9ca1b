package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"paymentd/app/gateways"
	"paymentd/core/payment"
)

// Validate checks every setting. The error names the first setting that is wrong, and the values that
// it may have. kong calls Validate.
func (c *Config) Validate() error {
	for _, validate := range []func() error{
		c.validateAddr, c.validateKeys, c.validateCurrency, c.validateDatabase, c.validateGateway, c.validateObservability, c.validateTLS,
		func() error { return validateBounds(c) }, c.validateTimes, c.validateGatewaysFile,
	} {
		if err := validate(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateAddr() error {
	if _, err := hostOf(c.Addr); err != nil {
		return Invalid("addr", err.Error())
	}
	return nil
}

func (c *Config) validateKeys() error {
	if slices.ContainsFunc(c.APIKeys, func(key string) bool { return !isAPIKey(key) }) {
		return Invalid("api-keys",
			"must be keys of at least 16 characters each, of letters, digits and -._~+/=, separated by commas, without an empty element")
	}
	if _, err := ReadKeysFile(c.APIKeysFile); err != nil {
		return Invalid("api-keys-file", err.Error())
	}
	return nil
}

func (c *Config) validateCurrency() error {
	if _, err := payment.ParseCurrency(c.Currency); err != nil {
		return Invalid("currency", "must be an ISO 4217 code, such as USD")
	}
	return nil
}

func (c *Config) validateDatabase() error { return resolveDatabase(&c.Database, &c.DatabaseFile) }

func (c *Config) validateGateway() error {
	if c.GatewaysFile != "" {
		return c.validateBesideFile()
	}
	set, err := c.GatewaySet()
	if err != nil {
		return err
	}
	if err := c.validateGatewayName(); err != nil {
		return err
	}
	if err := c.validateSecrets(); err != nil {
		return err
	}
	if err := c.checkLedger(set.Gateways[0]); err != nil {
		return Invalid("gateway", "must name a ledger that is "+strings.TrimPrefix(err.Error(), "must be "))
	}
	return nil
}

// validateBesideFile refuses the settings of a single gateway beside the gateways file, which would be
// ignored.
func (c *Config) validateBesideFile() error {
	const notWith = "must not be set together with PAYMENTD_GATEWAYS_FILE (--gateways-file): "
	switch {
	case c.Gateway != defaultGateway || os.Getenv(VariablePrefix+"GATEWAY") != "":
		return Invalid("gateway", notWith+"unset it, and add the gateway to the file")
	case c.GatewayKeyLifetime.given:
		return Invalid("gateway-key-lifetime", notWith+"set key_lifetime of each gateway in the file")
	case c.GatewayName != "":
		return Invalid("gateway-name", notWith+"set id of the gateway in the file")
	case c.GatewayLookupLag != 0:
		return Invalid("gateway-lookup-lag", notWith+"set lookup_lag of each gateway in the file")
	case c.GatewayBearerFile != "":
		return Invalid("gateway-bearer-file", notWith+"set bearer_file of the gateway in the file")
	case c.GatewayEventsFile != "":
		return Invalid("gateway-events-secret-file", notWith+"set webhook_secret_file of the gateway in the file")
	}
	return nil
}

// validateGatewaysFile reads the gateways file, which depends on other settings.
func (c *Config) validateGatewaysFile() error {
	_, err := c.GatewaySet()
	return err
}

// validateSecrets checks the files of secrets of the gateway of PAYMENTD_GATEWAY.
func (c *Config) validateSecrets() error {
	kind := c.GatewayKind()
	for _, secret := range []struct {
		flag, path, useless string
		check               func(path string) error
	}{
		{"gateway-bearer-file", c.GatewayBearerFile, "which takes no token", gateways.CheckBearerFile},
		{"gateway-events-secret-file", c.GatewayEventsFile, "which sends no events", gateways.CheckWebhookSecretFile},
	} {
		if secret.path == "" {
			continue
		}
		if !kind.Remote {
			return Invalid(secret.flag, "must not be set for the "+kind.Name+", "+secret.useless)
		}
		if err := secret.check(secret.path); err != nil {
			return Invalid(secret.flag, err.Error())
		}
	}
	return nil
}

func (c *Config) validateGatewayName() error {
	kind := c.GatewayKind()
	switch {
	case c.GatewayName == "":
		return nil
	case !kind.Remote:
		return Invalid("gateway-name", "must not be set for the "+kind.Name+": it names a gateway that is called by http:// or https://")
	case unfitID(c.GatewayName):
		return Invalid("gateway-name", "must have at most 255 printable ASCII characters without spaces")
	}
	return nil
}

// checkLedger keeps the ledger of a sandbox and the database in different files. The error continues the name
// of the setting.
func (c *Config) checkLedger(s gateways.Settings) error {
	database, onFile := strings.CutPrefix(c.Database, "sqlite:")
	if s.Kind.File == nil || !onFile {
		return nil
	}
	database = strings.TrimPrefix(database, "//")
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if isSamePath(s.Kind.File(s.Options.Address), database+suffix) {
			return errors.New("must be another file than the database's, " + database + suffix)
		}
	}
	return nil
}

// isSamePath reports whether two paths lead to one file. The file need not exist.
func isSamePath(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return realPath(a) == realPath(b)
}

// realPath resolves the links in the path of the folder.
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

func (c *Config) validateObservability() error {
	if !isLogLevel(c.LogLevel) {
		return Invalid("log-level", "must be debug, info, warn or error")
	}
	if c.Traces != "" && !IsBaseURL(c.Traces) {
		return Invalid("traces", "must be an http:// or https:// address, such as http://127.0.0.1:4318")
	}
	if c.PprofAddr == "" {
		return nil
	}
	host, err := hostOf(c.PprofAddr)
	if err != nil {
		return Invalid("pprof-addr", err.Error())
	}
	// Profiles show the memory of the process and are served without an API key.
	if !isLoopback(host) {
		return Invalid("pprof-addr", "must be a loopback address, such as 127.0.0.1:6060, and is "+c.PprofAddr)
	}
	return nil
}

func (c *Config) validateTLS() error {
	if (c.TLSCertificate == "") == (c.TLSKey == "") {
		return nil
	}
	missing := "tls-key"
	if c.TLSCertificate == "" {
		missing = "tls-certificate"
	}
	return Invalid(missing, "must be set: a certificate and its key go together")
}

// maxDeferredRetries bounds PAYMENTD_LATER_RETRIES.
const maxDeferredRetries = 20

// defaultGateway is the default of PAYMENTD_GATEWAY.
const defaultGateway = "sandbox:"

// validateTimes checks the durations that depend on each other.
func (c *Config) validateTimes() error {
	if c.Lease <= c.GatewayTimeout {
		return Invalid("lease", fmt.Sprintf("must be longer than the gateway timeout, %v", c.GatewayTimeout))
	}
	if err := c.checkKeyLifetime(c.KeyLifetime(), c.GatewayTimeout, "PAYMENTD_GATEWAY_TIMEOUT"); err != nil && c.GatewaysFile == "" {
		return Invalid("gateway-key-lifetime", err.Error())
	}
	if len(c.DeferredRetries) > maxDeferredRetries {
		return Invalid("later-retries", fmt.Sprintf("must be at most %d delays", maxDeferredRetries))
	}
	for _, d := range c.DeferredRetries {
		if d <= 0 {
			return Invalid("later-retries", "must be delays above zero, such as 5m,1h,6h")
		}
	}
	return nil
}
