package process_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest/process"
)

// A test in virtual time may be the first to need the authority, which all tests of the process share.
func TestCertify_FirstInVirtualTime_AuthorityIsValidInRealTime(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		_, _, err := process.Certify(folder, time.Now().Add(time.Hour))
		require.NoError(t, err)
	})
	text, err := os.ReadFile(filepath.Join(folder, process.AuthorityFile))
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	authority, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), authority.NotAfter, time.Hour)
}
