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

// initialiseTimeout is generous: MariaDB takes 3 s on an idle machine, MySQL 10.
const initialiseTimeout = 3 * time.Minute

// template is a data folder as the server's installer leaves it. Making one
// takes longer than anything else in starting a server, and copying it next to
// nothing: so a process makes only one.
type template struct {
	program program
	folder  string
	reaper  *reaper
}

// templates holds the process's template, made when it is first needed.
var templates = sync.OnceValues(newTemplate)

func newTemplate() (*template, error) {
	// Every later server depends on this one: the context of the test that
	// happens to come first must not decide over it.
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
			fmt.Errorf("initialise a data folder: %w; the last it said:\n%s", err, lastLines(out)),
			clean.reap())
	}
	// The server's UUID: each copy makes one of its own, as the members of a group need.
	if err := os.RemoveAll(filepath.Join(dataFolder(folder), "auto.cnf")); err != nil {
		return nil, errors.Join(fmt.Errorf("remove the server's UUID: %w", err), clean.reap())
	}
	return &template{program: found, folder: folder, reaper: clean}, nil
}

// copyTo makes folder's data folder a copy of the template's.
func (t *template) copyTo(folder string) error {
	if err := os.CopyFS(dataFolder(folder), os.DirFS(dataFolder(t.folder))); err != nil {
		return fmt.Errorf("copy the initialised data folder: %w", err)
	}
	return nil
}

// newFolder makes a folder with an empty data folder in it, and somebody who
// removes it.
func newFolder() (string, *reaper, error) {
	// A short name: a socket's path has room for about a hundred characters.
	folder, err := os.MkdirTemp("", "mysqltest-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for a server: %w", err)
	}
	clean, err := newReaper(folder)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(folder))
	}
	if err := os.Mkdir(dataFolder(folder), 0o700); err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a data folder: %w", err), clean.reap())
	}
	return folder, clean, nil
}

func dataFolder(folder string) string { return filepath.Join(folder, "data") }
