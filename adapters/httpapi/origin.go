package httpapi

import "github.com/labstack/echo/v4"

// refuseForeignPages refuses a request that a browser sent for a page of another origin: Sec-Fetch-Site says so (Fetch
// Metadata Request Headers, section 2.3) or, of older browsers, an Origin that is not the request's host. A browser sends
// a form, or a fetch without a body, to any origin without asking first, and without API keys nothing else
// distinguishes such a request. Other clients send neither header.
func (a *api) refuseForeignPages(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := a.origins.Check(c.Request()); err != nil {
			return refuse(problemForeignPage).withCause(err)
		}
		return next(c)
	}
}
