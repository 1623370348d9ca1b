// Package cause shortens the errors of the network and of file systems for people.
package cause

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
)

// Of returns why an operation on the network or on a file system failed, such as "connection
// refused", without the names of system calls and addresses that Go's libraries add. It returns the
// text of any other error unchanged.
func Of(err error) string {
	var name *net.DNSError
	var number syscall.Errno
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("the name %s is not known", name.Name)
	case errors.As(err, &name):
		return fmt.Sprintf("the name %s could not be looked up", name.Name)
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.Is(err, fs.ErrNotExist):
		return "no such file or directory"
	}
	return err.Error()
}
