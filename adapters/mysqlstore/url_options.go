package mysqlstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// tlsModes are the values of the URL's tls option, and the driver's.
var tlsModes = []string{"true", "false", "skip-verify", "preferred"}

// The URL's other options. Their values are paths of files.
const (
	optionTLS          = "tls"
	optionCA           = "tls-ca"        // PEM certificates that replace the machine's authorities
	optionCert         = "tls-cert"      // PEM certificate of this client, and its key
	optionKey          = "tls-key"       //
	optionSocket       = "socket"        // Unix socket, instead of TCP
	optionPasswordFile = "password-file" // holds the password, and is read for each new connection
)

var urlOptions = []string{optionTLS, optionCA, optionCert, optionKey, optionSocket, optionPasswordFile}

// maxFileBytes limits the files that the options name.
const maxFileBytes = 1 << 20

// readOptions returns the URL's options. Each may be given once.
func readOptions(u *url.URL) (url.Values, error) {
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errURL
	}
	for name, values := range options {
		if !slices.Contains(urlOptions, name) || len(values) > 1 {
			return nil, fmt.Errorf("the database URL takes these options after the question mark, each once: %s",
				strings.Join(urlOptions, ", "))
		}
		if name != optionTLS && !filepath.IsAbs(values[0]) {
			return nil, fmt.Errorf("the database URL's %s option must be the absolute path of a file", name)
		}
	}
	return options, nil
}

// setSocket sets the Unix socket.
func setSocket(config *mysql.Config, u *url.URL, options url.Values) error {
	switch path := options.Get(optionSocket); {
	case path == "":
		return nil
	case u.Host != "localhost":
		return errors.New("the database URL names a socket: its host must be localhost, without a port")
	case options.Has(optionTLS) || usesCertificates(options):
		return errors.New("the database URL names a socket, which needs no TLS: remove its tls options")
	default:
		config.Net, config.Addr = "unix", path
		return nil
	}
}

func usesCertificates(options url.Values) bool {
	return options.Has(optionCA) || options.Has(optionCert) || options.Has(optionKey)
}

// setTLS sets the mode and the certificates.
func setTLS(config *mysql.Config, host string, options url.Values) error {
	mode := options.Get(optionTLS)
	switch {
	case !options.Has(optionTLS):
	case !slices.Contains(tlsModes, mode):
		return fmt.Errorf("the database URL's tls option must be one of %s", strings.Join(tlsModes, ", "))
	case mode != "true" && usesCertificates(options):
		return errors.New("the database URL's options tls-ca, tls-cert and tls-key require tls=true")
	case mode == "false":
		return nil
	}
	config.TLSConfig = mode
	if !usesCertificates(options) {
		return nil
	}
	secured := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if options.Has(optionCA) {
		pem, err := readFile(optionCA, options.Get(optionCA))
		if err != nil {
			return err
		}
		secured.RootCAs = x509.NewCertPool()
		if !secured.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("the database URL's tls-ca file %s has no certificate: it must hold PEM certificates",
				options.Get(optionCA))
		}
	}
	if options.Has(optionCert) != options.Has(optionKey) {
		return errors.New("the database URL's options tls-cert and tls-key must be given together")
	}
	if options.Has(optionCert) {
		pair, err := tls.LoadX509KeyPair(options.Get(optionCert), options.Get(optionKey))
		if err != nil {
			return fmt.Errorf("the database URL's tls-cert and tls-key: %w", err)
		}
		secured.Certificates = []tls.Certificate{pair}
	}
	config.TLSConfig, config.TLS = "true", secured
	return nil
}

// setPassword sets the password, or the file that holds it.
func setPassword(config *mysql.Config, u *url.URL, options url.Values) error {
	path := options.Get(optionPasswordFile)
	if path == "" {
		config.Passwd, _ = u.User.Password()
		return nil
	}
	if _, both := u.User.Password(); both {
		return errors.New("the database URL has a password and a password-file: remove one of the two")
	}
	var err error
	if config.Passwd, err = readPassword(path); err != nil {
		return err
	}
	return config.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) (err error) {
		c.Passwd, err = readPassword(path)
		return err
	}))
}

// readPassword returns the one line of a file.
func readPassword(path string) (string, error) {
	text, err := readFile(optionPasswordFile, path)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" || strings.ContainsAny(password, "\r\n") {
		return "", fmt.Errorf("the database URL's password-file %s must hold one line, the password", path)
	}
	return password, nil
}

func readFile(option, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the database URL's %s: %w", option, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("the database URL's %s %s must be a file of at most %d bytes", option, path, maxFileBytes)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("the database URL's %s: %w", option, err)
	}
	return text, nil
}
