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
	"paymentd/internal/doctor"
)

// minFree is enough disk space for the write-ahead log and some days of payments.
const minFree = 512 << 20 // bytes

// fullDisk is the disk space that the next claims and the log's index may need.
const fullDisk = 1 << 20 // bytes

// Doctor checks the file and its place for what the guarantees of the service depend on. It changes
// nothing: the write that it tries is rolled back.
func (s *Payments) Doctor(ctx context.Context, replicas int) []doctor.Finding {
	findings := s.place()
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return append(findings, doctor.Good("database", "does not exist yet; the service creates it at its first start"))
	}
	if err == nil {
		findings = append(findings, s.owner(info), s.mode(info), s.links(info))
	}
	status, err := s.SchemaStatus(ctx)
	if err != nil {
		return append(findings, doctor.Of("database", err.Error(), false, doctor.Fail,
			"The file cannot be read. Check that it is a SQLite database, and that this user may read and write it."))
	}
	findings = append(findings, doctor.Good("database", "answers"), status.Finding(),
		s.pragma(ctx, "journal_mode", "wal", "wal",
			"Put the file on a local disk: the write-ahead log cannot be used here, and without it readers and writers wait "+
				"for each other."),
		s.pragma(ctx, "synchronous", "2", "FULL",
			"Report this as a bug, because the service sets FULL: without it, a crash of the machine loses the latest commits."))
	if status.Err() == nil {
		findings = append(findings, doctor.Write(s.tryLongWrite(ctx),
			"No payment is taken until this is fixed. Let this user write the file, the files beside it with the same name and "+
				"the folder, or free space on the disk; or stop the process that holds the file's lock."))
	}
	return append(findings, s.processes(ctx, replicas))
}

// place checks the folder of the file.
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
			"Check that the folder is on a local disk with free space: neither could be read here."))
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
	magic int64 // Linux's (statfs(2)); 0 if not known
	free  uint64
}

// fileSystems are the ones on which the file is not safe, by their numbers in statfs(2).
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
	0x794c7630: {"overlay", doctor.Warn, "Mount a volume for the folder: this one is deleted with its container, and then orders are charged again."},
	0x65735546: {"FUSE", doctor.Warn, "Check that the file system behind it supports locks and flushes as a local one does."},
}

const (
	network = "Put the file on a local disk: SQLite cannot rely on locks and flushes over a network (sqlite.org/useovernet.html)."
	memory  = "Put the file on a disk: this is memory, and after a restart of the machine orders are charged again."
)

func (m mount) kind() doctor.Finding {
	if bad, known := fileSystems[m.magic]; known {
		return doctor.Of("file_system", bad.name, false, bad.level, bad.advice)
	}
	return doctor.Good("file_system", "not known as a network file system or memory")
}

func (m mount) room() doctor.Finding {
	if m.free < fullDisk {
		return doctor.Of("free_space", strconv.FormatUint(m.free>>10, 10)+" KiB", false, doctor.Fail,
			"Free space on the disk: it is full, and no payment is taken.")
	}
	return doctor.Of("free_space", strconv.FormatUint(m.free>>20, 10)+" MiB", m.free >= minFree, doctor.Warn,
		fmt.Sprintf("Free space on the disk: below %d MiB it may be full soon, and then no payment is taken.", minFree>>20))
}

// owner checks whether this user may read and write the files.
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
			"Run the service as the file's owner, or run chown: no payment is taken while the file cannot be written.")
	}
	return doctor.Good(check, s.path+" can be read and written")
}

// ownerOf describes the file's owner, if the system has owners.
func ownerOf(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf(" and belongs to user %d", stat.Uid)
	}
	return ""
}

// mode checks whether other users of the machine may read or change payments.
func (s *Payments) mode(info fs.FileInfo) doctor.Finding {
	const check = "file_mode"
	widest, path := info.Mode().Perm(), s.path
	for _, suffix := range logSuffixes {
		if beside, err := os.Stat(s.path + suffix); err == nil && beside.Mode().Perm()&^fileMode&^widest != 0 {
			widest, path = beside.Mode().Perm(), s.path+suffix
		}
	}
	return doctor.Of(check, fmt.Sprintf("%04o", widest), widest&^fileMode == 0, doctor.Warn,
		fmt.Sprintf("Run chmod 600 %s: other users of this machine may read or change payments. The service creates files with "+
			"this mode, and does not change the mode of existing ones.", path))
}

// links checks whether the file has another name, under which it would have another log.
func (s *Payments) links(info fs.FileInfo) doctor.Finding {
	const check = "links"
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return doctor.Good(check, "not known on this system")
	}
	return doctor.Of(check, fmt.Sprintf("%d names", stat.Nlink), stat.Nlink <= 1, doctor.Warn,
		"Remove the other names of the file: a program that opens it by one of them does not see its write-ahead log, and "+
			"damages it.")
}

// pragma checks a setting of the connection that writes.
func (s *Payments) pragma(ctx context.Context, name, want, called, advice string) doctor.Finding {
	var value string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value); err != nil {
		return doctor.Of(name, err.Error(), false, doctor.Fail, "It could not be read; check that no other process holds the file's lock.")
	}
	if value == want {
		value = called
	}
	return doctor.Of(name, value, value == called, doctor.Fail, advice)
}

// processes checks how many processes use the file.
func (s *Payments) processes(ctx context.Context, planned int) doctor.Finding {
	const check = "replicas"
	alive, err := queries.New(s.readers).CountReplicas(ctx)
	if err != nil && !isNoSuchTable(err) {
		return doctor.Of(check, err.Error(), false, doctor.Warn, "They could not be counted.")
	}
	n := max(int(alive), planned)
	return doctor.Of(check, strconv.Itoa(n), n <= 1, doctor.Warn,
		"Run one process on a SQLite file: several are safe but slow. For several, use MySQL or MariaDB.")
}
