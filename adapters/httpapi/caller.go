package httpapi

import "github.com/labstack/echo/v4"

// caller is whose key a request has shown.
type caller struct {
	// ID names the key, and tells nothing of its secret. Empty where no key was asked for.
	ID string
}

const callerKey = "caller"

// callerOf returns the request's caller, whom authenticated has put there.
func callerOf(c echo.Context) caller {
	who, _ := c.Get(callerKey).(caller)
	return who
}
