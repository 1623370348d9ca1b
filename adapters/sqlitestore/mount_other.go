//go:build !linux

package sqlitestore

import "errors"

// mountOf fails, because the numbers of file systems are Linux's.
func mountOf(string) (mount, error) { return mount{}, errors.New("not known on this system") }
