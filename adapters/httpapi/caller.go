package httpapi

import "github.com/labstack/echo/v4"

// caller is the owner of the API key of a request.
type caller struct {
	ID   string // of the key; empty if no key is required
	Name string // of the key; empty for a key of the configuration
}

// callerOf returns the caller of an authenticated request.
func callerOf(c echo.Context) caller { return infoOf(c).caller }
