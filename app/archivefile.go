package app

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"paymentd/ports"
)

// archiveFile is an archive that is only ever added to. It is made with its first lines: a file that
// is there begins as an archive, or is none.
type archiveFile struct {
	path string
	file *os.File // nil before the first lines of a new archive
	size int64    // of whole lines, on the disk
	// tail is what follows the last line feed: the part of a line that a crash has left, or a whole
	// line that lacks its line feed.
	tail []byte
}

// openArchive looks at the file and locks it against a second run. It changes and makes nothing.
func openArchive(path string) (*archiveFile, error) {
	a := &archiveFile{path: path}
	if err := a.open(); err != nil {
		_ = a.close() // nothing was written
		return nil, err
	}
	return a, nil
}

func (a *archiveFile) open() error {
	if a.path == "" || a.path == "-" {
		return toSetting("must name a file")
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if strings.HasSuffix(a.path, suffix) {
			return toSetting("%s has the name of a part of a SQLite database: name a new file", a.path)
		}
	}
	info, err := os.Lstat(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.checkFolder()
	case err != nil:
		return toSetting("%s cannot be looked at: %s", a.path, cause(err))
	case info.Mode()&fs.ModeSymlink != 0:
		return toSetting("%s is a symbolic link: name the file itself", a.path)
	case !info.Mode().IsRegular():
		return toSetting("%s is a folder, a device or a pipe: name a file", a.path)
	}
	// Not through a link, and without waiting for a pipe, that has taken its place since.
	a.file, err = os.OpenFile(a.path, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return toSetting("%s cannot be written: %s", a.path, cause(err))
	}
	return a.inspect(info)
}

func (a *archiveFile) checkFolder() error {
	folder := filepath.Dir(a.path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return toSetting("names a file in %s, which is not a folder: make it first", folder)
	}
	return nil
}

// inspect locks the file, and checks that it begins and ends as an archive.
func (a *archiveFile) inspect(named fs.FileInfo) error {
	info, err := a.file.Stat()
	if err != nil || !os.SameFile(info, named) {
		return fmt.Errorf("the archive %s is being replaced: run it again when that is done", a.path)
	}
	first, err := bufio.NewReaderSize(io.NewSectionReader(a.file, 0, maxArchiveLine), 64<<10).ReadBytes('\n')
	torn := errors.Is(err, io.EOF)
	switch {
	case err != nil && !torn:
		return fmt.Errorf("read the archive %s: %s", a.path, cause(err))
	case !isArchiveLine(first) && (!torn || !isTornLine(first) || len(first) < minTornFile || first[0] == 0):
		return toSetting("%s is not an archive of paymentd: name a new file, or one that 'paymentd archive' has made", a.path)
	}
	if err := lockArchive(a.file); err != nil {
		return fmt.Errorf("the archive %s is in use by another process, such as another run: %w", a.path, err)
	}
	return a.inspectEnd()
}

// maxArchiveLine bounds a line of an archive, in bytes: a payment has at most some hundred attempts.
const maxArchiveLine = 64 << 20

// inspectEnd finds the last line feed, and checks what is before it and after it.
func (a *archiveFile) inspectEnd() error {
	info, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("read the archive %s: %s", a.path, cause(err))
	}
	for length := int64(64 << 10); ; length *= 2 {
		begin := max(0, info.Size()-length)
		end := make([]byte, info.Size()-begin)
		if _, err := a.file.ReadAt(end, begin); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the archive %s: %s", a.path, cause(err))
		}
		newline := bytes.LastIndexByte(end, '\n')
		before := bytes.LastIndexByte(end[:max(0, newline)], '\n')
		if begin > 0 && before < 0 && length < maxArchiveLine { // not a whole line yet
			continue
		}
		a.tail, a.size = end[newline+1:], begin+int64(newline)+1
		last := end[before+1 : newline+1]
		if len(last) > 0 && !isArchiveLine(last) ||
			len(a.tail) > 0 && !isTornLine(a.tail) && !isArchiveLine(a.tail) {
			return toSetting("%s ends in something else than a line of an archive: name a new file", a.path)
		}
		return nil
	}
}

// lineBegin is how each line begins: the first member of archivedPayment.
const lineBegin = `{"order_id":"`

// minTornFile is how much of a first line, in bytes, tells that the file is an archive.
const minTornFile = len(`{"o`)

// isTornLine reports whether a crash while a line was written can have left this: a part of one, and
// zeros where the disk had got no data yet.
func isTornLine(text []byte) bool {
	part := bytes.TrimRight(text, "\x00")
	n := min(len(part), len(lineBegin))
	return len(text) > 0 && string(part[:n]) == lineBegin[:n] && !json.Valid(part)
}

// isArchiveLine reports whether the text is a line that archiveLine has made.
func isArchiveLine(text []byte) bool {
	if !bytes.HasPrefix(text, []byte(lineBegin)) {
		return false
	}
	var line map[string]json.RawMessage
	if json.Unmarshal(text, &line) != nil {
		return false
	}
	for _, member := range []string{"amount", "currency", "state", "gateway_key", "created_at", "attempts", "events"} {
		if _, has := line[member]; !has {
			return false
		}
	}
	return true
}

func lockArchive(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errors.New("it is locked")
	}
	return err
}

// prepare takes the end of an interrupted run away: the part of a line is cut off, as its payment is
// still in the database, and a whole one gets its line feed.
func (a *archiveFile) prepare() error {
	if a.file == nil || len(a.tail) == 0 {
		return nil
	}
	var err error
	if isArchiveLine(a.tail) {
		_, err = a.file.WriteString("\n")
		a.size += int64(len(a.tail)) + 1
	} else {
		err = a.file.Truncate(a.size)
	}
	a.tail = nil
	if err = errors.Join(err, a.file.Sync()); err != nil {
		return fmt.Errorf("mend the last line of the archive %s: %s", a.path, cause(err))
	}
	return nil
}

// add writes a line for each history, and returns when they are on the disk, and the file's name is.
func (a *archiveFile) add(histories []ports.History) error {
	if len(histories) == 0 {
		return nil
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, h := range histories {
		if err := encoder.Encode(archiveLine(h)); err != nil {
			return fmt.Errorf("write the archive %s: %w", a.path, err)
		}
	}
	if a.file == nil {
		return a.create(lines.Bytes())
	}
	if err := write(a.file, lines.Bytes()); err != nil {
		// A full disk: what is there of these lines goes again, or is cut off by the next run.
		_ = a.file.Truncate(a.size)
		return fmt.Errorf("write the archive %s: %s", a.path, cause(err))
	}
	a.size += int64(lines.Len())
	return syncFolder(a.path)
}

// create makes the file with its first lines, under a name of its own, and gives it its name when it is
// on the disk. A file that has come there meanwhile stays as it is.
func (a *archiveFile) create(lines []byte) (err error) {
	temporary := filepath.Join(filepath.Dir(a.path), "."+filepath.Base(a.path)+"."+rand.Text()[:12])
	file, err := os.OpenFile(temporary, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the file that the operator names
	if err != nil {
		return fmt.Errorf("make the archive %s: %s", a.path, cause(err))
	}
	defer func() { _ = os.Remove(temporary) }() // its other name stays
	err = lockArchive(file)
	if err == nil {
		err = write(file, lines)
	}
	if err == nil {
		err = os.Link(temporary, a.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make the archive %s: %s", a.path, cause(err)), file.Close())
	}
	a.file, a.size = file, int64(len(lines))
	return syncFolder(a.path)
}

func write(file *os.File, lines []byte) error {
	_, err := file.Write(lines)
	return errors.Join(err, file.Sync())
}

// syncFolder makes the name of a file last.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open the folder of %s: %s", path, cause(err))
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync the folder of %s: %s", path, cause(err))
	}
	return nil
}

func (a *archiveFile) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
