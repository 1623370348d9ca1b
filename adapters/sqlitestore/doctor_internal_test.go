package sqlitestore

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/internal/doctor"
)

// findingsOf returns the findings about a file, by the name of the check.
func findingsOf(t *testing.T, s *Payments, replicas int) map[string]doctor.Finding {
	t.Helper()
	docs, err := os.ReadFile("../../docs/install.md")
	require.NoError(t, err)
	found := make(map[string]doctor.Finding)
	for _, f := range s.Doctor(t.Context(), replicas) {
		require.NotContains(t, found, f.Check, "two findings with one name")
		require.NotEmpty(t, f.Found, f.Check)
		require.Contains(t, string(docs), "`"+f.Check+"`", "a check that is missing in docs/install.md")
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

func TestDoctor_Settings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "paymentd.db")
	s := storeAt(t, path, true)
	found := findingsOf(t, s, 1)
	for _, check := range []string{"folder", "database", "schema", "journal_mode", "synchronous", "replicas"} {
		require.Equal(t, doctor.OK, found[check].Level, "%+v", found[check])
	}
	require.Contains(t, found, "file_system") // its level, like that of free_space, depends on the machine
	require.Contains(t, found, "free_space")

	require.Equal(t, doctor.Warn, findingsOf(t, s, 2)["replicas"].Level)
	for _, replica := range []string{"replica-1", "replica-2"} {
		require.NoError(t, s.Heartbeat(t.Context(), replica))
	}
	require.Equal(t, doctor.Warn, findingsOf(t, s, 0)["replicas"].Level)

	// The service sets these on every connection, so the test changes the one that writes.
	s.readers.SetMaxIdleConns(-1) // the journal mode can be changed only without other connections
	for pragma, check := range map[string]string{"synchronous=OFF": "synchronous", "journal_mode=DELETE": "journal_mode"} {
		_, err := s.writer.ExecContext(t.Context(), "PRAGMA "+pragma)
		require.NoError(t, err)
		s.file.logs = [2]fs.FileInfo{} // the log was deleted with its mode
		require.Equal(t, doctor.Fail, findingsOf(t, s, 0)[check].Level, check)
	}
}

func TestDoctor_MissingFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "paymentd.db")
	found := findingsOf(t, storeAt(t, path, false), 1)
	require.Equal(t, doctor.OK, found["database"].Level)
	require.NotContains(t, found, "schema")
	require.NoFileExists(t, path)
}

func TestDoctor_FileThatIsNoDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "paymentd.db")
	s := storeAt(t, path, false)
	require.NoError(t, os.WriteFile(path, []byte("no database, and long enough to be read as one: "+string(make([]byte, 1000))), 0o600))
	require.Equal(t, doctor.Fail, findingsOf(t, s, 1)["database"].Level)
}

// The folder is missing, because root, who may run the tests, can write in any other.
func TestDoctor_FolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(folder, 0o700))
	s := storeAt(t, filepath.Join(folder, "paymentd.db"), false)
	require.NoError(t, os.Remove(folder))
	found := findingsOf(t, s, 1)
	require.Equal(t, doctor.Fail, found["folder"].Level)
	require.Equal(t, doctor.Warn, found["file_system"].Level)
}

func TestDoctor_FileSystems(t *testing.T) {
	t.Parallel()
	for magic, level := range map[int64]doctor.Level{
		0xef53: doctor.OK, 0x6969: doctor.Fail, 0xff534d42: doctor.Fail, 0x01021994: doctor.Fail,
		0x794c7630: doctor.Warn,
	} {
		require.Equal(t, level, mount{magic: magic}.kind().Level, "%x", magic)
	}
	require.Equal(t, doctor.Warn, mount{free: minFree - 1}.room().Level)
	require.Equal(t, doctor.OK, mount{free: minFree}.room().Level)
	if where, err := mountOf("/dev/shm"); err == nil { // memory, on Linux
		require.Equal(t, doctor.Fail, where.kind().Level)
	}
}
