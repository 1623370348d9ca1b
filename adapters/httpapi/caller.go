package httpapi

import "github.com/labstack/echo/v4"

// caller is whose key a request shows.
type caller struct {
	ID   string // of the key; empty where no key is needed
	Name string // of the key; empty for one of the configuration
}

// callerOf returns who calls, once the request is authenticated.
func callerOf(c echo.Context) caller { return noteOf(c).caller }
