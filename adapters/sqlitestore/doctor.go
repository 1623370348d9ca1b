package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/internal/doctor"
)

// minFree is how much room on the disk is enough for the write-ahead log and some days.
const minFree = 512 << 20 // bytes

// fullDisk is what the next claims and the index of the log may need at once.
const fullDisk = 1 << 20 // bytes

// Diagnose looks at the file and where it is, and says what the promise does not find as it
// should be. It changes nothing: the write that it tries is rolled back.
func (s *Payments) Doctor(ctx context.Context, replicas int) []doctor.Finding {
	findings := s.place()
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return append(findings, doctor.Good("database", "not there yet; the service makes it at its first start"))
	}
	if err == nil {
		findings = append(findings, s.owner(info), s.mode(info), s.links(info))
	}
	status, err := s.SchemaStatus(ctx)
	if err != nil {
		return append(findings, doctor.Of("database", err.Error(), false, doctor.Fail,
			"The file cannot be read. See that it is a SQLite database, and that this user may read and write it."))
	}
	findings = append(findings, doctor.Good("database", "answers"), status.Finding(),
		s.pragma(ctx, "journal_mode", "wal", "wal",
			"Put the file on a local disk: the write-ahead log, without which readers and writers wait for each other, "+
				"cannot be used here."),
		s.pragma(ctx, "synchronous", "2", "FULL",
			"A crash of the machine loses what was committed last. The service sets FULL, so that this is a fault of its own."))
	if status.Err() == nil {
		findings = append(findings, doctor.Write(s.tryLongWrite(ctx),
			"No payment is taken as long as this is so. Let this user write the file, the files beside it with the same name and "+
				"the folder, or make room on the disk; or stop what holds the file's lock."))
	}
	return append(findings, s.processes(ctx, replicas))
}

// place judges the folder that the file is in.
func (s *Payments) place() []doctor.Finding {
	folder := filepath.Dir(s.path)
	var found []doctor.Finding
	if err := syscall.Access(folder, writeAccess); err != nil {
		found = append(found, doctor.Of("folder", folder+": "+err.Error(), false, doctor.Fail,
			"Let this user write in the folder: SQLite keeps its log beside the file."))
	} else {
		found = append(found, doctor.Good("folder", folder+" can be written"))
	}
	where, err := mountOf(folder)
	if err != nil {
		return append(found, doctor.Of("file_system", err.Error(), false, doctor.Warn,
			"See that the folder is on a local disk with room: neither could be found out here."))
	}
	return append(found, where.kind(), where.room())
}

// readAccess and writeAccess are R_OK and W_OK of access(2).
const (
	readAccess  = 4
	writeAccess = 2
)

// mount is the file system of a folder.
type mount struct {
	magic int64 // of Linux (statfs(2)); 0 where it is not known
	free  uint64
}

// fileSystems are those on which the file is not safe, by their numbers in statfs(2).
var fileSystems = map[int64]struct {
	name   string
	level  doctor.Level
	advice string
}{
	0x6969:     {"NFS", doctor.Fail, network},
	0x517b:     {"SMB", doctor.Fail, network},
	0xff534d42: {"CIFS", doctor.Fail, network},
	0xfe534d42: {"SMB", doctor.Fail, network},
	0x01021997: {"9P", doctor.Fail, network},
	0x00c36400: {"Ceph", doctor.Fail, network},
	0x5346414f: {"AFS", doctor.Fail, network},
	0x01021994: {"tmpfs", doctor.Fail, memory},
	0x858458f6: {"ramfs", doctor.Fail, memory},
	0x794c7630: {"overlay", doctor.Warn, "Mount a volume for the folder: this one goes with its container, and what was paid is charged again."},
	0x65735546: {"FUSE", doctor.Warn, "See that what is behind it keeps locks and flushes to the disk as a local file system does."},
}

const (
	network = "Put the file on a local disk: locks and flushes over a network are not what SQLite needs (sqlite.org/useovernet.html)."
	memory  = "Put the file on a disk: this is memory, and after a restart of the machine what was paid is charged again."
)

func (m mount) kind() doctor.Finding {
	if bad, known := fileSystems[m.magic]; known {
		return doctor.Of("file_system", bad.name, false, bad.level, bad.advice)
	}
	return doctor.Good("file_system", "no network file system or memory that is known here")
}

func (m mount) room() doctor.Finding {
	if m.free < fullDisk {
		return doctor.Of("free_space", strconv.FormatUint(m.free>>10, 10)+" KiB", false, doctor.Fail,
			"Make room: the disk is full, and no payment is taken.")
	}
	return doctor.Of("free_space", strconv.FormatUint(m.free>>20, 10)+" MiB", m.free >= minFree, doctor.Warn,
		fmt.Sprintf("Make room: below %d MiB the disk may be full soon, and then no payment is taken.", minFree>>20))
}

// owner judges whether this user may read and write the files.
func (s *Payments) owner(info fs.FileInfo) doctor.Finding {
	const check = "file"
	for _, suffix := range []string{"", logSuffixes[0], logSuffixes[1]} {
		path := s.path + suffix
		err := syscall.Access(path, readAccess|writeAccess)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if beside, err := os.Stat(path); err == nil {
			info = beside
		}
		found := fmt.Sprintf("%s has mode %04o%s, and this is user %d: %v", path, info.Mode().Perm(), ownerOf(info), os.Geteuid(), err)
		return doctor.Of(check, found, false, doctor.Fail,
			"Run the service as the user that the file belongs to, or run chown: no payment is taken as long as it cannot be written.")
	}
	return doctor.Good(check, s.path+" can be read and written")
}

// ownerOf says whom a file belongs to, on systems that know.
func ownerOf(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf(" and belongs to user %d", stat.Uid)
	}
	return ""
}

// mode judges whether other users of the machine may read or change payments.
func (s *Payments) mode(info fs.FileInfo) doctor.Finding {
	const check = "file_mode"
	widest, path := info.Mode().Perm(), s.path
	for _, suffix := range logSuffixes {
		if beside, err := os.Stat(s.path + suffix); err == nil && beside.Mode().Perm()&^fileMode&^widest != 0 {
			widest, path = beside.Mode().Perm(), s.path+suffix
		}
	}
	return doctor.Of(check, fmt.Sprintf("%04o", widest), widest&^fileMode == 0, doctor.Warn,
		fmt.Sprintf("Run chmod 600 %s: other users of this machine may read what was paid, or change it. The service makes new "+
			"files so, and leaves the mode of one that is there.", path))
}

// links judges whether the file has another name, under which its log would be another one.
func (s *Payments) links(info fs.FileInfo) doctor.Finding {
	const check = "links"
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return doctor.Good(check, "not known on this system")
	}
	return doctor.Of(check, fmt.Sprintf("%d names", stat.Nlink), stat.Nlink <= 1, doctor.Warn,
		"Remove the other names of the file: what opens it by one of them does not see its write-ahead log, and damages it.")
}

// longWrite is more than the cache of a connection that is made small holds, in bytes.
const longWrite = 512 << 10

// tryLongWrite is TryWrite with so much to write that SQLite cannot keep it in memory: it finds out
// that there is no room.
func (s *Payments) tryLongWrite(ctx context.Context) error {
	return s.retry(ctx, func(ctx context.Context) error {
		err := s.transact(ctx, func(tx *sql.Tx) error {
			for _, statement := range []string{
				"PRAGMA cache_size = 10",
				"CREATE TABLE paymentd_try_write (content BLOB NOT NULL)",
				fmt.Sprintf("INSERT INTO paymentd_try_write VALUES (zeroblob(%d))", longWrite),
				"INSERT INTO paymentd_try_write VALUES (randomblob(8192))",
			} {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return errUndo
		})
		if errors.Is(err, errUndo) {
			// SQLite's default. The log must not keep the room: it would hide a full disk for a while.
			_, err = s.writer.ExecContext(ctx, "PRAGMA cache_size = -2000; PRAGMA wal_checkpoint(TRUNCATE)")
		}
		return err
	})
}

// pragma judges a setting of the connection that writes.
func (s *Payments) pragma(ctx context.Context, name, want, called, advice string) doctor.Finding {
	var value string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value); err != nil {
		return doctor.Of(name, err.Error(), false, doctor.Fail, "It could not be read; see that no other process holds the file.")
	}
	if value == want {
		value = called
	}
	return doctor.Of(name, value, value == called, doctor.Fail, advice)
}

// processes judges how many are at the file.
func (s *Payments) processes(ctx context.Context, planned int) doctor.Finding {
	const check = "replicas"
	alive, err := queries.New(s.readers).CountReplicas(ctx)
	if err != nil && !isNoSuchTable(err) {
		return doctor.Of(check, err.Error(), false, doctor.Warn, "They could not be counted.")
	}
	n := max(int(alive), planned)
	return doctor.Of(check, strconv.Itoa(n), n <= 1, doctor.Warn,
		"Run one process on a SQLite file: more are safe and slow. For several, take MySQL or MariaDB.")
}
