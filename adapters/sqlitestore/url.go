package sqlitestore

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// parseURL returns the absolute path of the file that sqlite:path names. Everything after the colon is
// the path, without escapes.
func parseURL(databaseURL string) (string, error) {
	path, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok || strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
		return "", errors.New("the database URL must have the form sqlite:path, " +
			"such as sqlite:paymentd.db or sqlite:/var/lib/paymentd/paymentd.db")
	}
	switch {
	case path == "" || strings.Contains(path, ":memory:"):
		return "", errors.New("the database URL must name a file, such as sqlite:paymentd.db: " +
			"orders whose payments are only in memory would be charged again after a restart")
	case strings.ContainsAny(path, "?\x00"):
		return "", errors.New("the database URL sqlite:path takes no options: remove the question mark")
	}
	path, err := filepath.Abs(strings.TrimPrefix(path, "//"))
	if err != nil {
		return "", fmt.Errorf("find the database's folder: %w", err)
	}
	return path, checkPath(path)
}

// checkPath refuses a path that cannot be a database file.
func checkPath(path string) error {
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("the database URL names a file in %s, which is not a folder: make it first", folder)
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fmt.Errorf("the database URL names %s, which is a folder: name a file in it", path)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("the database URL names %s, which is a device or a pipe: name a file", path)
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if strings.HasSuffix(path, suffix) {
			return fmt.Errorf("the database URL names %s, which SQLite uses for a part of another database: "+
				"name a file that does not end in %s", path, suffix)
		}
	}
	return nil
}

// busyTimeout is how long SQLite itself waits for another process's write lock. It is short because
// SQLite does not check contexts while it waits; a call with time left tries again.
const busyTimeout = 500 * time.Millisecond

// forWriting returns the data source name of a connection that writes. A transaction takes the write
// lock when it begins, because one that reads first fails at its write if another transaction wrote in
// between. synchronous(FULL) puts each commit on the disk.
func forWriting(path string) string {
	return dataSource(path, "journal_mode(WAL)", "synchronous(FULL)") + "&_txlock=immediate"
}

// forWritingAlone is forWriting for a connection that excludes others from its first read on. It does
// not set the journal mode, because that would read before the locking mode is set.
func forWritingAlone(path string) string {
	return dataSource(path, "locking_mode(EXCLUSIVE)", "synchronous(FULL)") + "&_txlock=immediate"
}

// forReading returns the data source name of a connection that only reads.
func forReading(path string) string { return dataSource(path, "query_only(1)") }

func dataSource(path string, pragmas ...string) string {
	options := url.Values{"_pragma": append(pragmas, fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))}
	return path + "?" + options.Encode() // parseURL refuses other question marks
}
