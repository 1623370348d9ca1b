package sqlitestore

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/internal/doctor"
)

// diagnose returns what is found of a file, by the name of the check.
func diagnose(t *testing.T, s *Payments, replicas int) map[string]doctor.Finding {
	t.Helper()
	docs, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	found := make(map[string]doctor.Finding)
	for _, f := range s.Doctor(t.Context(), replicas) {
		require.NotContains(t, found, f.Check, "two findings of one name")
		require.NotEmpty(t, f.Found, f.Check)
		require.Contains(t, string(docs), "`"+f.Check+"`", "a check that docs/operations.md does not have")
		require.Equal(t, f.Level == doctor.OK, f.Advice == "", "%+v", f)
		found[f.Check] = f
	}
	return found
}

func storeAt(t *testing.T, path string, migrated bool) *Payments {
	t.Helper()
	if migrated {
		schema, err := Schema("sqlite:" + path)
		require.NoError(t, err)
		require.NoError(t, schema.Up(t.Context()))
	}
	s, err := Open("sqlite:"+path, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "paymentd.db")
	s := storeAt(t, path, true)
	found := diagnose(t, s, 1)
	for _, check := range []string{"folder", "database", "schema", "journal_mode", "synchronous", "replicas"} {
		require.Equal(t, doctor.OK, found[check].Level, "%+v", found[check])
	}
	require.Contains(t, found, "file_system") // what a test's folder is on, and what is free there,
	require.Contains(t, found, "free_space")  // is the machine's affair

	require.Equal(t, doctor.Warn, diagnose(t, s, 2)["replicas"].Level)
	for _, replica := range []string{"replica-1", "replica-2"} {
		require.NoError(t, s.Heartbeat(t.Context(), replica))
	}
	require.Equal(t, doctor.Warn, diagnose(t, s, 0)["replicas"].Level)

	// The service's connections set these; so the one that writes is changed.
	s.readers.SetMaxIdleConns(-1) // the journal's mode can be changed with no other connection
	for pragma, check := range map[string]string{"synchronous=OFF": "synchronous", "journal_mode=DELETE": "journal_mode"} {
		_, err := s.writer.ExecContext(t.Context(), "PRAGMA "+pragma)
		require.NoError(t, err)
		s.file.logs = [2]fs.FileInfo{} // without the log that is gone with its mode
		require.Equal(t, doctor.Fail, diagnose(t, s, 0)[check].Level, check)
	}
}

func TestDiagnoseAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "paymentd.db")
	found := diagnose(t, storeAt(t, path, false), 1)
	require.Equal(t, doctor.OK, found["database"].Level)
	require.NotContains(t, found, "schema")
	require.NoFileExists(t, path)
}

func TestDiagnoseAFileThatIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "paymentd.db")
	s := storeAt(t, path, false)
	require.NoError(t, os.WriteFile(path, []byte("no database, and long enough to tell so: "+string(make([]byte, 1000))), 0o600))
	require.Equal(t, doctor.Fail, diagnose(t, s, 1)["database"].Level)
}

// TestDiagnoseAFolder has one that is gone: root, who may run the tests, writes in any other.
func TestDiagnoseAFolder(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(folder, 0o700))
	s := storeAt(t, filepath.Join(folder, "paymentd.db"), false)
	require.NoError(t, os.Remove(folder))
	found := diagnose(t, s, 1)
	require.Equal(t, doctor.Fail, found["folder"].Level)
	require.Equal(t, doctor.Warn, found["file_system"].Level)
}

func TestMounts(t *testing.T) {
	t.Parallel()
	for magic, level := range map[int64]doctor.Level{
		0xef53: doctor.OK, 0x6969: doctor.Fail, 0xff534d42: doctor.Fail, 0x01021994: doctor.Fail,
		0x794c7630: doctor.Warn,
	} {
		require.Equal(t, level, mount{magic: magic}.kind().Level, "%x", magic)
	}
	require.Equal(t, doctor.Warn, mount{free: minFree - 1}.room().Level)
	require.Equal(t, doctor.OK, mount{free: minFree}.room().Level)
	if where, err := mountOf("/dev/shm"); err == nil { // on Linux, memory
		require.Equal(t, doctor.Fail, where.kind().Level)
	}
}
