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

// CertificateShort is how long before its end a certificate is worth a warning when it is read. What
// renews certificates usually does so a month before.
const CertificateShort = 14 * 24 * time.Hour

// certificateInterval is how often the files of a certificate are looked at.
const certificateInterval = 5 * time.Second

// Certificate is what a server shows to those who connect with TLS. It is read from two PEM files,
// and read again when what is in them changes: connections that are open stay as they are.
//
// The files are compared by content. A time of change says nothing where a file is renamed to, or a
// symbolic link leads elsewhere, as Kubernetes renews what it mounts; and file notifications follow
// neither of the two reliably. Reading a few kilobytes is cheap.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[pair]

	// What Watch alone knows: the trouble that the latest look has met, and whether it was told of.
	trouble string
	told    bool
}

// pair is a certificate with its key, as the files had it.
type pair struct {
	tls     tls.Certificate
	content [sha256.Size]byte
	expiry  time.Time
}

// OpenCertificate reads a chain of certificates, the server's own first, and its key. The error names
// the file that is wrong; it is an *fs.PathError where one cannot be read.
func OpenCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	p, err := c.read()
	if err != nil {
		return nil, err
	}
	c.use(p)
	return c, nil
}

// Expiry is when the first certificate of the chain that is served ends.
func (c *Certificate) Expiry() time.Time { return c.current.Load().expiry }

// Watch looks at the files again and again until ctx ends. Where they cannot be used, what was served
// goes on being served.
func (c *Certificate) Watch(ctx context.Context) {
	ticker := time.NewTicker(certificateInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.look()
		case <-ctx.Done():
			return
		}
	}
}

func (c *Certificate) look() {
	p, err := c.read()
	if err != nil {
		c.complain(err)
		return
	}
	c.trouble, c.told = "", false
	if p.content != c.current.Load().content {
		c.use(p)
	}
}

// complain tells of trouble once, and not at the first sight of it: files that are replaced one after
// the other do not fit together for a moment.
func (c *Certificate) complain(err error) {
	if c.trouble != err.Error() {
		c.trouble, c.told = err.Error(), false
		return
	}
	if !c.told {
		c.told = true
		c.log.Error("the new TLS certificate cannot be used; the old one is served on",
			"error", err, "expires", c.Expiry())
	}
}

func (c *Certificate) use(p *pair) {
	c.current.Store(p)
	level := slog.LevelInfo
	if time.Until(p.expiry) < CertificateShort {
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
		return nil, fmt.Errorf("%s and %s are no certificate and its key: %w", c.certFile, c.keyFile, err)
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

// config leaves ciphers, curves and the tickets' keys to Go.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.current.Load().tls, nil },
	}
}
