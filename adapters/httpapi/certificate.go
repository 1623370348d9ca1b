package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// CertificateWarning is how long before its expiry a certificate causes a warning when it is read.
// Certificates are usually renewed a month before.
const CertificateWarning = 14 * 24 * time.Hour

// certificateInterval is how often the files of a certificate are checked.
const certificateInterval = 5 * time.Second

// Certificate is the TLS certificate of a server. It is read from two PEM files, and read again
// when their content changes. Open connections keep the certificate that they began with.
//
// The files are compared by content. The modification time is not reliable if a file is replaced by
// renaming or a symbolic link changes, as Kubernetes does for mounted secrets, and file
// notifications follow neither. Reading a few kilobytes is cheap.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[pair]

	// Used by Watch only: the error of the latest reload, and whether it was logged.
	lastError string
	logged    bool
}

// pair is a certificate with its key, as read from the files.
type pair struct {
	tls     tls.Certificate
	content [sha256.Size]byte
	expiry  time.Time
}

// OpenCertificate reads a certificate chain, the server's own certificate first, and its key. The
// error names the wrong file; it is an *fs.PathError if a file cannot be read.
func OpenCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	p, err := c.read()
	if err != nil {
		return nil, err
	}
	c.use(p)
	return c, nil
}

// Expiry is the earliest expiry of the served chain.
func (c *Certificate) Expiry() time.Time { return c.current.Load().expiry }

// Watch reloads the files periodically until ctx is cancelled. If they cannot be used, the previous
// certificate is still served.
func (c *Certificate) Watch(ctx context.Context) {
	ticker := time.NewTicker(certificateInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.reload()
		case <-ctx.Done():
			return
		}
	}
}

func (c *Certificate) reload() {
	p, err := c.read()
	if err != nil {
		c.logError(err)
		return
	}
	c.lastError, c.logged = "", false
	if p.content != c.current.Load().content {
		c.use(p)
	}
}

// logError logs an error once, and only when it occurs a second time: files that are replaced one
// after the other do not match for a moment.
func (c *Certificate) logError(err error) {
	if c.lastError != err.Error() {
		c.lastError, c.logged = err.Error(), false
		return
	}
	if !c.logged {
		c.logged = true
		c.log.Error("the new TLS certificate cannot be used; the old one is served on",
			"error", err, "expires", c.Expiry())
	}
}

func (c *Certificate) use(p *pair) {
	c.current.Store(p)
	level := slog.LevelInfo
	if time.Until(p.expiry) < CertificateWarning {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "the TLS certificate was read",
		"file", c.certFile, "names", p.tls.Leaf.DNSNames, "expires", p.expiry)
}

func (c *Certificate) read() (*pair, error) {
	chain, err := os.ReadFile(c.certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return nil, err
	}
	p := &pair{}
	hash := sha256.New()
	_, _ = hash.Write(chain)
	_, _ = hash.Write(key)
	hash.Sum(p.content[:0])
	if p.tls, err = tls.X509KeyPair(chain, key); err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its key: %w", c.certFile, c.keyFile, err)
	}
	p.expiry = p.tls.Leaf.NotAfter
	for _, der := range p.tls.Certificate[1:] {
		above, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read the chain in %s: %w", c.certFile, err)
		}
		if above.NotAfter.Before(p.expiry) {
			p.expiry = above.NotAfter
		}
	}
	return p, nil
}

// config leaves ciphers, curves and session ticket keys to Go.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.current.Load().tls, nil },
	}
}
