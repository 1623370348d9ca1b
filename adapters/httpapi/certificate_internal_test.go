package httpapi

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// lines is a log that can be read concurrently.
type lines struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String()
}

// watched is a certificate in a folder, watched until the test ends.
type watched struct {
	*Certificate

	t      *testing.T
	folder string
	log    *lines
	first  *pair
}

func watch(t *testing.T, folder string) *watched {
	t.Helper()
	w := &watched{t: t, folder: folder, log: &lines{}}
	c, err := OpenCertificate(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), slog.New(slog.NewTextHandler(w.log, nil)))
	require.NoError(t, err)
	w.Certificate, w.first = c, c.current.Load()
	go c.Watch(t.Context())
	return w
}

// looks waits for n reloads.
func (w *watched) looks(n int) {
	time.Sleep(time.Duration(n) * certificateInterval)
	synctest.Wait()
}

// requireServed requires that the first certificate is still served.
func (w *watched) requireServed(first bool) {
	w.t.Helper()
	served, err := w.config().GetCertificate(nil)
	require.NoError(w.t, err)
	require.Equal(w.t, first, bytes.Equal(w.first.tls.Certificate[0], served.Certificate[0]))
}

func (w *watched) requireLines(level string, n int) {
	w.t.Helper()
	require.Equal(w.t, n, strings.Count(w.log.String(), "level="+level), w.log.String())
}

func inYears(n int) time.Time { return time.Now().AddDate(n, 0, 0) }

func TestCertificate_Changed_IsReloaded(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(t *testing.T, folder, fresh string){
		"written over": func(t *testing.T, folder, _ string) {
			t.Helper()
			apptest.Certify(t, folder, inYears(2))
		},
		"renamed to": func(t *testing.T, folder, fresh string) {
			t.Helper()
			for _, name := range []string{"tls.crt", "tls.key"} {
				require.NoError(t, os.Rename(filepath.Join(fresh, name), filepath.Join(folder, name)))
			}
		},
		"renamed to, with the time of the old one": func(t *testing.T, folder, fresh string) {
			t.Helper()
			for _, name := range []string{"tls.crt", "tls.key"} {
				old, err := os.Stat(filepath.Join(folder, name))
				require.NoError(t, err)
				require.NoError(t, os.Rename(filepath.Join(fresh, name), filepath.Join(folder, name)))
				require.NoError(t, os.Chtimes(filepath.Join(folder, name), old.ModTime(), old.ModTime()))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				folder, fresh := t.TempDir(), t.TempDir()
				apptest.Certify(t, folder, inYears(1))
				apptest.Certify(t, fresh, inYears(2))
				w := watch(t, folder)
				w.looks(3)
				w.requireServed(true)
				w.requireLines("INFO", 1)
				replace(t, folder, fresh)
				w.looks(1)
				w.requireServed(false)
				require.WithinDuration(t, inYears(2), w.Expiry(), time.Hour)
				w.looks(3)
				w.requireLines("INFO", 2)
			})
		})
	}
}

// Kubernetes mounts a secret as links to files in a folder that is itself a link, and changes the
// target of that link when the secret changes.
func TestCertificate_SymlinkChanged_IsReloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mount := t.TempDir()
		for _, version := range []string{"1", "2"} {
			require.NoError(t, os.Mkdir(filepath.Join(mount, version), 0o700))
			apptest.Certify(t, filepath.Join(mount, version), inYears(1))
		}
		require.NoError(t, os.Symlink("1", filepath.Join(mount, "..data")))
		for _, name := range []string{"tls.crt", "tls.key"} {
			require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(mount, name)))
		}
		w := watch(t, mount)
		require.NoError(t, os.Symlink("2", filepath.Join(mount, "..tmp")))
		require.NoError(t, os.Rename(filepath.Join(mount, "..tmp"), filepath.Join(mount, "..data")))
		w.looks(1)
		w.requireServed(false)
	})
}

// An invalid certificate is logged once, and the previous one is still served.
func TestCertificate_NewOneInvalid_KeepsTheOld(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(folder, other string) error{
		"the key of another": func(folder, other string) error {
			return os.Rename(filepath.Join(other, "tls.key"), filepath.Join(folder, "tls.key"))
		},
		"no certificate": func(folder, _ string) error {
			return os.WriteFile(filepath.Join(folder, "tls.crt"), []byte("-----BEGIN"), 0o600)
		},
		"nothing": func(folder, _ string) error { return os.Truncate(filepath.Join(folder, "tls.crt"), 0) },
		"gone":    func(folder, _ string) error { return os.Remove(filepath.Join(folder, "tls.key")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				folder, other := t.TempDir(), t.TempDir()
				apptest.Certify(t, folder, inYears(1))
				apptest.Certify(t, other, inYears(1))
				w := watch(t, folder)
				require.NoError(t, spoil(folder, other))
				w.looks(1)
				w.requireLines("ERROR", 0) // it may be being replaced
				w.looks(1)
				w.requireLines("ERROR", 1)
				w.looks(20)
				w.requireLines("ERROR", 1)
				w.requireServed(true)
				require.Contains(t, w.log.String(), folder, "it names the file")
				require.NotContains(t, w.log.String(), "PRIVATE")

				apptest.Certify(t, folder, inYears(1))
				w.looks(1)
				w.requireServed(false)
				require.NoError(t, os.Remove(filepath.Join(folder, "tls.crt")))
				w.looks(3)
				w.requireLines("ERROR", 2) // a second time
			})
		})
	}
}

// Files that are replaced one after the other do not match for a moment, which is not logged.
func TestCertificate_ReplacedBeforeItsKey_IsNotLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder, fresh := t.TempDir(), t.TempDir()
		apptest.Certify(t, folder, inYears(1))
		apptest.Certify(t, fresh, inYears(1))
		w := watch(t, folder)
		require.NoError(t, os.Rename(filepath.Join(fresh, "tls.crt"), filepath.Join(folder, "tls.crt")))
		w.looks(1)
		w.requireServed(true)
		require.NoError(t, os.Rename(filepath.Join(fresh, "tls.key"), filepath.Join(folder, "tls.key")))
		w.looks(1)
		w.requireServed(false)
		w.requireLines("ERROR", 0)
	})
}

func TestCertificate_ExpiresSoon_IsAWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		apptest.Certify(t, folder, time.Now().Add(CertificateWarning-time.Minute))
		w := watch(t, folder)
		w.requireLines("WARN", 1)
		apptest.Certify(t, folder, time.Now().Add(CertificateWarning+time.Hour))
		w.looks(1)
		w.requireServed(false)
		w.requireLines("WARN", 1)
	})
}

// A chain expires with the first of its certificates.
func TestCertificate_Chain_ExpiresWithItsFirst(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	certFile, keyFile := apptest.Certify(t, folder, inYears(10)) // the authority's expires tomorrow
	leaf, err := os.ReadFile(certFile)
	require.NoError(t, err)
	above, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, append(leaf, above...), 0o600))
	c, err := OpenCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), c.Expiry(), time.Hour)
}
