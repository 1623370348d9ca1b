package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"paymentd/core/admin"
	"paymentd/ports"
)

// historyView is the page of what people did with keys and endpoints.
type historyView struct {
	Of          string
	Acts        []admin.Act
	Next, First string
}

// maxSubjectBytes bounds the id of a key or an endpoint.
const maxSubjectBytes = 64

// showHistory serves what people did with keys and endpoints, newest first.
func (c *Console) showHistory(v *visit) error {
	q := v.QueryParams()
	view := historyView{Of: strings.TrimSpace(q.Get("of"))}
	query := ports.AdminQuery{Subject: view.Of, Limit: pageSize + 1}
	if len(view.Of) > maxSubjectBytes {
		return problem(http.StatusBadRequest, "the id of a key or an endpoint is shorter")
	}
	if after := q.Get("after"); after != "" {
		micros, id, _ := strings.Cut(after, " ")
		at, err := strconv.ParseInt(micros, 10, 64)
		if err != nil || len(id) > maxSubjectBytes {
			return problem(http.StatusBadRequest, "the address of this page is incomplete; begin with the first page")
		}
		query.Before, query.BeforeID = time.UnixMicro(at).UTC(), id
		view.First = pageAfter(Root+"/history", q, "")
	}
	acts, err := c.options.Acts.List(v.Request().Context(), query)
	if err != nil {
		return err
	}
	if len(acts) > pageSize {
		acts = acts[:pageSize]
		last := acts[pageSize-1]
		view.Next = pageAfter(Root+"/history", q, strconv.FormatInt(last.At.UnixMicro(), 10)+" "+last.ID)
	}
	view.Acts = acts
	return c.render(v, http.StatusOK, "history", "Who did what", "keys", view)
}

// subjectPath returns the page about the subject of an act.
func subjectPath(a admin.Act) string {
	if strings.HasPrefix(a.Subject, "ep_") && a.Kind != admin.EndpointDeleted {
		return Root + "/endpoints/" + a.Subject
	}
	return Root + "/history?of=" + a.Subject
}

// actKind says what an act did.
func actKind(a admin.Act) string { return strings.ReplaceAll(string(a.Kind), "_", " ") }
