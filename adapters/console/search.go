package console

import (
	"net/http"
	"strings"

	"paymentd/core"
)

// maxQueryBytes bounds what is searched for.
const maxQueryBytes = 255

// searchView is the page of a search.
type searchView struct {
	Query string
	core.Found
}

// Empty reports whether nothing was found.
func (s searchView) Empty() bool { return len(s.Orders)+len(s.Keys)+len(s.Operations) == 0 }

// showSearch serves what a text finds. A single order with exactly this id is shown at once.
func (c *Console) showSearch(v *visit) error {
	text := strings.TrimSpace(v.QueryParam("q"))
	if text == "" {
		return c.render(v, http.StatusOK, "search", "Search", "search", searchView{})
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' || len(text) > maxQueryBytes {
			return problem(http.StatusBadRequest, "ids and gateway keys are printable ASCII characters without spaces, at most %d", maxQueryBytes)
		}
	}
	found, err := c.service.Search(v.Request().Context(), text)
	if err != nil {
		return err
	}
	if len(found.Orders) == 1 && string(found.Orders[0].OrderID) == text && len(found.Keys)+len(found.Operations) == 0 {
		return v.Redirect(http.StatusSeeOther, orderPath(found.Orders[0].OrderID))
	}
	return c.render(v, http.StatusOK, "search", "Search", "search", searchView{Query: text, Found: found})
}
