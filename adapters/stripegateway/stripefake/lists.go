package stripefake

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// list answers GET /v1/payment_intents, newest first (docs.stripe.com/api/pagination).
func (f *Fake) list(c *call) reply {
	limit, ok := limitOf(c)
	if !ok {
		return invalid("limit", "parameter_invalid_integer", "Limit must be 1 to 100.")
	}
	after, found := c.form["starting_after"]
	if found && f.state.Intents[after] == nil {
		return missing("payment_intent", after)
	}
	expand := strings.Contains(c.form["expand[]"], "data.latest_charge")
	data, more := []map[string]any{}, false
	for _, id := range slices.Backward(f.state.Order) {
		i := f.state.Intents[id]
		switch {
		case found:
			found = id != after
			continue
		case !f.visible(i, f.options.ListLag) || !within(i.Created.Unix(), c.form):
			continue
		case len(data) == limit:
			more = true
		}
		if more {
			break
		}
		data = append(data, f.copyOf(id).render(expand))
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"object": "list", "url": "/v1/payment_intents", "has_more": more, "data": data,
	}}
}

func limitOf(c *call) (int, bool) {
	text, given := c.form["limit"]
	if !given {
		return 10, true
	}
	limit, err := strconv.Atoi(text)
	return limit, err == nil && limit >= 1 && limit <= 100
}

func (f *Fake) visible(i *intentRecord, lag time.Duration) bool {
	return f.options.Clock().Sub(i.Created) >= lag
}

// within reports whether a creation time matches the parameters created[gte] and so on.
func within(created int64, form map[string]string) bool {
	for name, holds := range map[string]func(bound int64) bool{
		"created[gte]": func(bound int64) bool { return created >= bound },
		"created[gt]":  func(bound int64) bool { return created > bound },
		"created[lte]": func(bound int64) bool { return created <= bound },
		"created[lt]":  func(bound int64) bool { return created < bound },
	} {
		if bound, err := strconv.ParseInt(form[name], 10, 64); err == nil && !holds(bound) {
			return false
		}
	}
	return true
}

// metadataQuery is the only query that the fake understands (docs.stripe.com/search#search-query-language).
var metadataQuery = regexp.MustCompile(`^metadata\["([^"]+)"\]:"((?:[^"\\]|\\.)*)"$`)

// search answers GET /v1/payment_intents/search, with a lag.
func (f *Fake) search(c *call) reply {
	if f.options.NoSearch {
		return invalid("", "", "Search is not available for merchants in India.")
	}
	query := metadataQuery.FindStringSubmatch(c.form["query"])
	if query == nil {
		return invalid("query", "", "We were unable to parse your search query.")
	}
	value := strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(query[2])
	data := []map[string]any{}
	for _, id := range slices.Backward(f.state.Order) {
		i := f.state.Intents[id]
		if f.visible(i, f.options.SearchLag) && strings.EqualFold(i.Metadata[query[1]], value) {
			data = append(data, f.copyOf(id).render(false))
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"object": "search_result", "url": "/v1/payment_intents/search", "has_more": false, "next_page": nil, "data": data,
	}}
}
