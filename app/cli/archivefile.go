package cli

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

	"paymentd/app/config"
	"paymentd/app/internal/cause"
	"paymentd/ports"
)

// archiveFile is an append-only archive. It is created with its first lines, so that an existing file either
// begins with a line of an archive or is not one.
type archiveFile struct {
	path string
	file *os.File // nil until a new archive has its first lines
	size int64    // of the whole lines, in bytes
	// tail follows the last line feed: a part of a line that a crash left, or a whole line without its line
	// feed.
	tail []byte
}

// openArchive checks the file and locks it against a second run. It changes and creates nothing.
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
		return config.InvalidFlag("to", "must name a file")
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if strings.HasSuffix(a.path, suffix) {
			return config.InvalidFlag("to", "%s has the name of a part of a SQLite database: name a new file", a.path)
		}
	}
	info, err := os.Lstat(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.checkFolder()
	case err != nil:
		return config.InvalidFlag("to", "%s cannot be read: %s", a.path, cause.Of(err))
	case info.Mode()&fs.ModeSymlink != 0:
		return config.InvalidFlag("to", "%s is a symbolic link: name the file itself", a.path)
	case !info.Mode().IsRegular():
		return config.InvalidFlag("to", "%s is a folder, a device or a pipe: name a file", a.path)
	}
	// The flags reject a link, and do not block on a pipe, that may have replaced the file since.
	a.file, err = os.OpenFile(a.path, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return config.InvalidFlag("to", "%s cannot be written: %s", a.path, cause.Of(err))
	}
	return a.inspect(info)
}

func (a *archiveFile) checkFolder() error {
	folder := filepath.Dir(a.path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return config.InvalidFlag("to", "names a file in %s, which is not a folder: create it first", folder)
	}
	return nil
}

// inspect locks the file, and checks that it begins and ends as an archive.
func (a *archiveFile) inspect(named fs.FileInfo) error {
	info, err := a.file.Stat()
	if err != nil || !os.SameFile(info, named) {
		return fmt.Errorf("the archive %s is being replaced: run the command again afterwards", a.path)
	}
	first, err := bufio.NewReaderSize(io.NewSectionReader(a.file, 0, maxArchiveLine), 64<<10).ReadBytes('\n')
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("read the archive %s: %s", a.path, cause.Of(err))
	case isArchiveLine(first):
	case err != nil && isTornLine(first):
		return config.InvalidFlag("to", "%s is not an archive of paymentd: its only line is unfinished, and may be another "+
			"program's; name a new file, or remove this one if it is not needed", a.path)
	default:
		return config.InvalidFlag("to", "%s is not an archive of paymentd: name a new file, or one that 'paymentd archive' created", a.path)
	}
	if err := lockArchive(a.file); err != nil {
		return fmt.Errorf("the archive %s is in use by another process, such as another run: %w", a.path, err)
	}
	return a.inspectEnd()
}

// maxArchiveLine bounds a line of an archive, in bytes. A payment has at most a few hundred attempts.
const maxArchiveLine = 64 << 20

// inspectEnd finds the last line feed, and checks the text before and after it.
func (a *archiveFile) inspectEnd() error {
	info, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("read the archive %s: %s", a.path, cause.Of(err))
	}
	for length := int64(64 << 10); ; length *= 2 {
		begin := max(0, info.Size()-length)
		end := make([]byte, info.Size()-begin)
		if _, err := a.file.ReadAt(end, begin); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the archive %s: %s", a.path, cause.Of(err))
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
			return config.InvalidFlag("to", "%s does not end in a line of an archive: name a new file", a.path)
		}
		return nil
	}
}

// lineBegin begins each line: the first member of archivedPayment.
const lineBegin = `{"order_id":"`

// isTornLine reports whether a crash during the write of a line can have left this text: a part of a line,
// followed by zeros for data that had not reached the disk.
func isTornLine(text []byte) bool {
	part := bytes.TrimRight(text, "\x00")
	n := min(len(part), len(lineBegin))
	return len(text) > 0 && string(part[:n]) == lineBegin[:n] && !json.Valid(part)
}

// isArchiveLine reports whether the text is a line that archiveLine produced.
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

// prepare repairs the end of an interrupted run before lines are added: it truncates a partial line, whose
// payment is still in the database, and terminates a whole line. The file begins with a whole line of an
// archive; if it has changed since that was read, prepare leaves it alone.
func (a *archiveFile) prepare() error {
	if len(a.tail) == 0 {
		return nil
	}
	info, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("read the archive %s: %s", a.path, cause.Of(err))
	}
	if info.Size() != a.size+int64(len(a.tail)) {
		return fmt.Errorf("the archive %s has been changed by another program: stop that program, and run it again", a.path)
	}
	if isArchiveLine(a.tail) {
		_, err = a.file.WriteString("\n")
		a.size += int64(len(a.tail)) + 1
	} else {
		err = a.file.Truncate(a.size)
	}
	a.tail = nil
	if err = errors.Join(err, a.file.Sync()); err != nil {
		return fmt.Errorf("repair the last line of the archive %s: %s", a.path, cause.Of(err))
	}
	return nil
}

// add writes a line for each history, and returns when the lines and the name of the file are durable.
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
	if err := a.prepare(); err != nil {
		return err
	}
	if err := write(a.file, lines.Bytes()); err != nil {
		// The disk may be full. If the partial lines cannot be truncated now, the next run truncates them.
		_ = a.file.Truncate(a.size)
		return fmt.Errorf("write the archive %s: %s", a.path, cause.Of(err))
	}
	a.size += int64(lines.Len())
	return syncFolder(a.path)
}

// create writes the first lines to a temporary file and links it to its name once they are durable. It never
// replaces a file that another process created in the meantime.
func (a *archiveFile) create(lines []byte) (err error) {
	temporary := filepath.Join(filepath.Dir(a.path), "."+filepath.Base(a.path)+"."+rand.Text()[:12])
	file, err := os.OpenFile(temporary, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the file that the operator names
	if err != nil {
		return fmt.Errorf("create the archive %s: %s", a.path, cause.Of(err))
	}
	defer func() { _ = os.Remove(temporary) }() // the link to the path stays
	err = lockArchive(file)
	if err == nil {
		err = write(file, lines)
	}
	if err == nil {
		err = os.Link(temporary, a.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("create the archive %s: %s", a.path, cause.Of(err)), file.Close())
	}
	a.file, a.size = file, int64(len(lines))
	return syncFolder(a.path)
}

func write(file *os.File, lines []byte) error {
	_, err := file.Write(lines)
	return errors.Join(err, file.Sync())
}

// syncFolder makes the name of a file durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open the folder of %s: %s", path, cause.Of(err))
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync the folder of %s: %s", path, cause.Of(err))
	}
	return nil
}

func (a *archiveFile) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
