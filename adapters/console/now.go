package console

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// liveRoutes adds the routes of the live updates.
func (c *Console) liveRoutes(*echo.Echo) {}

// showNow serves the first page.
func (c *Console) showNow(v *visit) error {
	return c.render(v, http.StatusOK, "now", "Now", "now", nil)
}
