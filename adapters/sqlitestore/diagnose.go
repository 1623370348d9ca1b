package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/sql/diagnosis"
)

// minFree is how much room on the disk is enough for the write-ahead log and some days.
const minFree = 512 << 20 // bytes

// Diagnose looks at the file and where it is, and says what the promise does not find as it
// should be. It changes nothing.
func (s *Payments) Diagnose(ctx context.Context, replicas int) []diagnosis.Finding {
	findings := s.place()
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return append(findings, diagnosis.Good("database", "not there yet; the service makes it at its first start"))
	}
	status, err := s.SchemaStatus(ctx)
	if err != nil {
		return append(findings, diagnosis.Of("database", err.Error(), false, diagnosis.Fail,
			"The file cannot be read. See that it is a SQLite database, and that this user may read and write it."))
	}
	findings = append(findings, diagnosis.Good("database", "answers"), status.Finding(),
		s.pragma(ctx, "journal_mode", "wal", "wal",
			"Put the file on a local disk: the write-ahead log, without which readers and writers wait for each other, "+
				"cannot be used here."),
		s.pragma(ctx, "synchronous", "2", "FULL",
			"A crash of the machine loses what was committed last. The service sets FULL, so that this is a fault of its own."))
	return append(findings, s.processes(ctx, replicas))
}

// place judges the folder that the file is in.
func (s *Payments) place() []diagnosis.Finding {
	folder := filepath.Dir(s.path)
	var found []diagnosis.Finding
	if err := syscall.Access(folder, writeAccess); err != nil {
		found = append(found, diagnosis.Of("folder", folder+": "+err.Error(), false, diagnosis.Fail,
			"Let this user write in the folder: SQLite keeps its log beside the file."))
	} else {
		found = append(found, diagnosis.Good("folder", folder+" can be written"))
	}
	where, err := mountOf(folder)
	if err != nil {
		return append(found, diagnosis.Of("file_system", err.Error(), false, diagnosis.Warn,
			"See that the folder is on a local disk with room: neither could be found out here."))
	}
	return append(found, where.kind(), where.room())
}

// writeAccess is W_OK of access(2).
const writeAccess = 2

// mount is the file system of a folder.
type mount struct {
	magic int64 // of Linux (statfs(2)); 0 where it is not known
	free  uint64
}

// fileSystems are those on which the file is not safe, by their numbers in statfs(2).
var fileSystems = map[int64]struct {
	name   string
	level  diagnosis.Level
	advice string
}{
	0x6969:     {"NFS", diagnosis.Fail, network},
	0x517b:     {"SMB", diagnosis.Fail, network},
	0xff534d42: {"CIFS", diagnosis.Fail, network},
	0xfe534d42: {"SMB", diagnosis.Fail, network},
	0x01021997: {"9P", diagnosis.Fail, network},
	0x00c36400: {"Ceph", diagnosis.Fail, network},
	0x5346414f: {"AFS", diagnosis.Fail, network},
	0x01021994: {"tmpfs", diagnosis.Fail, memory},
	0x858458f6: {"ramfs", diagnosis.Fail, memory},
	0x794c7630: {"overlay", diagnosis.Warn, "Mount a volume for the folder: this one goes with its container, and what was paid is charged again."},
	0x65735546: {"FUSE", diagnosis.Warn, "See that what is behind it keeps locks and flushes to the disk as a local file system does."},
}

const (
	network = "Put the file on a local disk: locks and flushes over a network are not what SQLite needs (sqlite.org/useovernet.html)."
	memory  = "Put the file on a disk: this is memory, and after a restart of the machine what was paid is charged again."
)

func (m mount) kind() diagnosis.Finding {
	if bad, known := fileSystems[m.magic]; known {
		return diagnosis.Of("file_system", bad.name, false, bad.level, bad.advice)
	}
	return diagnosis.Good("file_system", "no network file system or memory that is known here")
}

func (m mount) room() diagnosis.Finding {
	return diagnosis.Of("free_space", strconv.FormatUint(m.free>>20, 10)+" MiB", m.free >= minFree, diagnosis.Warn,
		fmt.Sprintf("Make room: below %d MiB the disk may be full soon, and then no payment is taken.", minFree>>20))
}

// pragma judges a setting of the connection that writes.
func (s *Payments) pragma(ctx context.Context, name, want, called, advice string) diagnosis.Finding {
	var value string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value); err != nil {
		return diagnosis.Of(name, err.Error(), false, diagnosis.Fail, "It could not be read; see that no other process holds the file.")
	}
	if value == want {
		value = called
	}
	return diagnosis.Of(name, value, value == called, diagnosis.Fail, advice)
}

// processes judges how many are at the file.
func (s *Payments) processes(ctx context.Context, planned int) diagnosis.Finding {
	const check = "replicas"
	alive, err := queries.New(s.readers).CountReplicas(ctx)
	if err != nil && !noSuchTable(err) {
		return diagnosis.Of(check, err.Error(), false, diagnosis.Warn, "They could not be counted.")
	}
	n := max(int(alive), planned)
	return diagnosis.Of(check, strconv.Itoa(n), n <= 1, diagnosis.Warn,
		"Run one process on a SQLite file: more are safe and slow. For several, take MySQL or MariaDB.")
}
