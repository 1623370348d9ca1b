package httpapi

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/labstack/echo/v4"
)

// limited refuses a request when as many as the options allow are being served.
func (a *api) limited(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
			return next(c)
		default:
			return refuse(problemAtLimit)
		}
	}
}

// panicError is a panic of a handler on its way to the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recovered makes an error of a panic.
func recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch value := recover(); value {
			case nil:
			case http.ErrAbortHandler: // not a fault: net/http's way to drop a connection
				panic(value)
			default:
				err = &panicError{value: value, stack: debug.Stack()}
			}
		}()
		return next(c)
	}
}
