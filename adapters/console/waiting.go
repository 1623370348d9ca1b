package console

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// pageSize is how many payments a page lists.
	pageSize = 50
	// quarantined is the value of the filter of states for unresolved payments over which workers were lost.
	quarantined = "quarantined"
)

// ages are the values of the filter by age.
var ages = []string{"1m", "10m", "1h", "24h", "168h"}

// waitingView is the page of what waits.
type waitingView struct {
	State, Gateway, Age string
	States              []string
	Ages                []string
	Waiting             []payment.Payment
	Refunds             []payment.Payment // with the first page only
	Unreadable          int
	Next                string // the address of the next page; empty on the last
	First               string // the address of the first page; empty on it
	CSV                 string
	Filtered            bool
}

// waitingFilter is the filter in the address of a page.
func waitingFilter(q url.Values) (f core.WaitingFilter, err error) {
	f.Limit = pageSize
	switch name := q.Get("state"); name {
	case "":
	case quarantined:
		f.Quarantined = true
	default:
		state, err := payment.ParseState(name)
		if err != nil || state.Final() {
			return f, problem(http.StatusBadRequest, "the state %.20q does not wait; choose one of the list", name)
		}
		f.States = []payment.State{state}
	}
	f.Gateway = payment.GatewayID(q.Get("gateway"))
	if age := q.Get("age"); age != "" {
		if f.OlderThan, err = time.ParseDuration(age); err != nil || f.OlderThan < 0 {
			return f, problem(http.StatusBadRequest, "the age must be a duration such as 10m")
		}
	}
	f.After, err = parseCursor(q.Get("after"))
	return f, err
}

// showWaiting serves what waits, and why.
func (c *Console) showWaiting(v *visit) error {
	q := v.QueryParams()
	filter, err := waitingFilter(q)
	if err != nil {
		return err
	}
	page, err := c.service.Waiting(v.Request().Context(), filter)
	if err != nil {
		return err
	}
	view := waitingView{
		State: q.Get("state"), Gateway: q.Get("gateway"), Age: q.Get("age"), States: waitingStates(), Ages: ages,
		Waiting: page.Payments, Unreadable: len(page.Unreadable), Filtered: q.Get("state")+q.Get("gateway")+q.Get("age") != "",
		CSV: pageAfter(Root+"/waiting.csv", q, ""),
	}
	if !page.Next.DueAt.IsZero() {
		view.Next = pageAfter(Root+"/waiting", q, formatCursor(page.Next))
	}
	if q.Get("after") != "" {
		view.First = pageAfter(Root+"/waiting", q, "")
	} else if !filter.Quarantined {
		operations, err := c.service.WaitingOperations(v.Request().Context(), pageSize)
		if err != nil {
			return err
		}
		view.Unreadable += len(operations.Unreadable)
		view.Refunds = slices.DeleteFunc(operations.Operations, func(p payment.Payment) bool {
			return len(filter.States) > 0 && !slices.Contains(filter.States, p.State) ||
				filter.Gateway != "" && p.Gateway != filter.Gateway || p.SeenAt.Sub(p.CreatedAt) < filter.OlderThan
		})
	}
	return c.render(v, http.StatusOK, "waiting", "What waits, and why", "waiting", view)
}

// waitingStates are the choices of the filter by state.
func waitingStates() (names []string) {
	for _, s := range payment.States() {
		if !s.Final() {
			names = append(names, string(s))
		}
	}
	return append(names, quarantined)
}

// pageAfter returns the address of the page after a place, with the filters of the query q; empty for the first page.
func pageAfter(path string, q url.Values, after string) string {
	changed := url.Values{}
	for key, values := range q {
		if values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" }); len(values) > 0 && key != "after" {
			changed[key] = values
		}
	}
	if after != "" {
		changed.Set("after", after)
	}
	if len(changed) == 0 {
		return path
	}
	return path + "?" + changed.Encode()
}

// formatCursor returns the place of a payment in the form in which addresses have it. It needs no signature, because
// a forged one leads to a page that the person may read anyway.
func formatCursor(c ports.WaitingCursor) string {
	text := strconv.FormatInt(c.DueAt.UnixMicro(), 10) + " " + strconv.FormatInt(c.CreatedAt.UnixMicro(), 10) + " " + string(c.OrderID)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func parseCursor(text string) (c ports.WaitingCursor, err error) {
	if text == "" {
		return c, nil
	}
	refused := problem(http.StatusBadRequest, "the address of this page is incomplete; begin with the first page")
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	fields := strings.SplitN(string(decoded), " ", 3)
	if err != nil || len(fields) != 3 {
		return c, refused
	}
	due, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return c, refused
	}
	created, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil || len(fields[2]) > payment.MaxOrderIDBytes {
		return c, refused
	}
	return ports.WaitingCursor{DueAt: time.UnixMicro(due).UTC(), CreatedAt: time.UnixMicro(created).UTC(), OrderID: payment.OrderID(fields[2])}, nil
}

// why describes why a payment waits.
func why(p payment.Payment) string {
	switch {
	case p.State == payment.StateProcessing && p.Claimed(p.SeenAt):
		return "claimed by " + p.Replica
	case p.State == payment.StateProcessing:
		return "its worker is gone: " + p.Replica
	case p.Reason != "":
		return p.Reason
	case p.State == payment.StateAuthorized:
		return "the gateway holds the money: capture or void it"
	}
	return "accepted for later"
}
