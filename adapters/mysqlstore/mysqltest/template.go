package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// initialiseTimeout is long: MariaDB takes 3 s on an idle machine, MySQL 10 s.
const initialiseTimeout = 3 * time.Minute

// template is a data folder as the server's installer leaves it. To create one
// takes most of the time of a server's start, and to copy it takes little, so a
// process creates only one.
type template struct {
	program program
	folder  string
	reaper  *reaper
}

// templates has the process's template, created at its first use.
var templates = sync.OnceValues(newTemplate)

func newTemplate() (*template, error) {
	// Not the context of the first test, because every later server needs the
	// template.
	ctx, cancel := context.WithTimeout(context.Background(), initialiseTimeout)
	defer cancel()

	found, err := findProgram(ctx, os.Getenv(ImageVariable), programFolders())
	if err != nil {
		return nil, err
	}
	folder, clean, err := newFolder()
	if err != nil {
		return nil, err
	}
	initialise := found.initialiser(ctx, folder, found.options(folder))
	if out, err := initialise.CombinedOutput(); err != nil {
		return nil, errors.Join(
			fmt.Errorf("initialise a data folder: %w; its last lines:\n%s", err, lastLines(out)),
			clean.reap())
	}
	// Without the file, each copy creates a UUID of its own, which the members of a
	// group need.
	if err := os.RemoveAll(filepath.Join(dataFolder(folder), "auto.cnf")); err != nil {
		return nil, errors.Join(fmt.Errorf("remove the server's UUID: %w", err), clean.reap())
	}
	return &template{program: found, folder: folder, reaper: clean}, nil
}

// copyTo copies the template to the folder's data folder.
func (t *template) copyTo(folder string) error {
	if err := os.CopyFS(dataFolder(folder), os.DirFS(dataFolder(t.folder))); err != nil {
		return fmt.Errorf("copy the initialised data folder: %w", err)
	}
	return nil
}

// newFolder creates a folder with an empty data folder, and the reaper that removes
// it.
func newFolder() (string, *reaper, error) {
	// The name is short, because a socket's path is limited to about 100 characters.
	folder, err := os.MkdirTemp("", "mysqltest-")
	if err != nil {
		return "", nil, fmt.Errorf("create a folder for a server: %w", err)
	}
	clean, err := newReaper(folder)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(folder))
	}
	if err := os.Mkdir(dataFolder(folder), 0o700); err != nil {
		return "", nil, errors.Join(fmt.Errorf("create a data folder: %w", err), clean.reap())
	}
	return folder, clean, nil
}

func dataFolder(folder string) string { return filepath.Join(folder, "data") }
