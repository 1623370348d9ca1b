package gateways

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"paymentd/internal/filewatch"
)

// Field is a field of a gateway in the gateways file. One of Set, SetList and SetEntry is set.
type Field struct {
	Name     string
	Required bool
	Allowed  string // continues "must be"
	Help     string
	// Set sets the options to a value. Its errors continue the name of the field, and contain no secret.
	Set func(o *Options, text string) error
	// SetList sets the options to a list of different values, of which there are at most MaxList. The list may be
	// empty. Its errors are those of Set.
	SetList func(o *Options, texts []string) error
	MaxList int
	// SetEntry adds an entry of a field that is a map.
	SetEntry func(o *Options, name, text string) error
}

// Fields that several kinds have.
var (
	keyLifetimeField = Field{
		Name: "key_lifetime", Allowed: "a duration from 0s to 87600h",
		Help: "How long the gateway remembers an idempotency key after its first use; 0s means forever. Must be longer than " +
			"timeout plus PAYMENTD_LATE.",
		Set: func(o *Options, text string) (err error) {
			o.KeyLifetime, err = DurationBetween(text, 0, 10*365*24*time.Hour)
			return err
		},
	}
	lookupLagField = Field{
		Name: "lookup_lag", Allowed: "a duration from 0s to 24h",
		Help: "How long after a charge a lookup may not see it.",
		Set: func(o *Options, text string) (err error) {
			o.LookupLag, err = DurationBetween(text, 0, 24*time.Hour)
			return err
		},
	}
	bearerField = Field{
		Name: "bearer_file", Allowed: "a file with one line, a token",
		Help: "File of the token that each request has in `Authorization: Bearer`. Reread when it changes.",
		Set: func(o *Options, text string) error {
			o.BearerFile = text
			return CheckBearerFile(text)
		},
	}
	clientCertificateField = Field{
		Name: "client_certificate_file", Allowed: "a PEM file",
		Help: "Certificate that is presented to a gateway that asks for one, followed by its chain. Reread when it changes.",
		Set: func(o *Options, text string) error {
			o.ClientCertificate = text
			return readable(text, func([]byte) error { return nil })
		},
	}
	clientKeyField = Field{
		Name: "client_key_file", Allowed: "a PEM file",
		Help: "Private key of the client certificate.",
		Set: func(o *Options, text string) error {
			o.ClientKey = text
			return readable(text, func([]byte) error { return nil })
		},
	}
	caField = Field{
		Name: "ca_file", Allowed: "a PEM file",
		Help: "Authorities that are trusted instead of the system's. Read at the start only.",
		Set: func(o *Options, text string) error {
			o.CAFile = text
			_, err := authorities(text)
			return asProblem(err)
		},
	}
)

// DurationBetween parses a duration and checks its bounds, both inclusive. The error continues the name of
// a field.
func DurationBetween(text string, low, high time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("must be a duration, such as 500ms, 30s or 24h, and is %q", text)
	case d < low || d > high:
		return 0, fmt.Errorf("must be from %v to %v, and is %v", short(low), short(high), d)
	}
	return d, nil
}

// CheckBearerFile checks the file of a token. The error continues the name of a field.
func CheckBearerFile(path string) error {
	return readable(path, func(content []byte) error {
		_, err := bearer([][]byte{content})
		return err
	})
}

// CheckClientCertificate checks that the files of a client certificate and its key go together. The error
// continues the name of a field.
func (o *Options) CheckClientCertificate() error {
	if o.ClientCertificate == "" {
		return nil
	}
	return readable(o.ClientCertificate, func(certificate []byte) error {
		key, err := filewatch.Read(o.ClientKey)
		if err != nil {
			return err
		}
		_, err = keyPair([][]byte{certificate, key})
		return err
	})
}

// readable checks that a file can be read and has the content that is expected.
func readable(path string, check func(content []byte) error) error {
	content, err := filewatch.Read(path)
	if err == nil {
		if err = check(content); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	return asProblem(err)
}

// asProblem makes an error about a file continue the name of a field.
func asProblem(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("must be a file that can be used: %w", err)
}

// bearer parses the file of a token (RFC 6750, section 2.1: b64token). Its errors do not contain the token.
func bearer(contents [][]byte) (string, error) {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	token := strings.TrimSpace(string(contents[0]))
	if token == "" || strings.Trim(token, characters) != "" {
		return "", errors.New("it must hold one token, of letters, digits and -._~+/=")
	}
	return token, nil
}

// keyPair parses the files of a certificate with its chain, and of its key.
func keyPair(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("it and its key do not go together: %w", err)
	}
	return &pair, nil
}

// files returns the set that rereads the files of secrets.
func (o *Options) files() *filewatch.Set {
	if o.Files != nil {
		return o.Files
	}
	return filewatch.NewSet(slog.New(slog.DiscardHandler))
}

// secret checks a field that names the file of a secret, and stores its path.
func secret(path func(*Options) *string) func(*Options, string) error {
	return func(o *Options, text string) error {
		*path(o) = text
		return CheckBearerFile(text)
	}
}

// text returns how a field stores its value.
func text(target func(*Options) *string) func(*Options, string) error {
	return func(o *Options, value string) error {
		*target(o) = value
		return nil
	}
}

// authorities reads a file of certificates; nil, which means the system's, without a file.
func authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // nil means the system's
	}
	content, err := filewatch.Read(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate in PEM format", path)
	}
	return pool, nil
}
