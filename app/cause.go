package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
)

// cause says in few words why the network or a file system failed, without the names that Go's
// libraries give to it. An error of another kind is left as it is.
func cause(err error) string {
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
		return number.Error() // such as "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.Is(err, fs.ErrNotExist):
		return "no such file or directory"
	}
	return err.Error()
}
