package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

const mediaTypeProblem = "application/problem+json"

// problemTypes comes before a problem's name. A URN, since it only names: there is no page
// to fetch, and it is the same on every host.
const problemTypes = "urn:paymentd:problem:"

type errorBody struct {
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
}

// problemBody is RFC 9457 problem details, with the gateway's code as an extension.
type problemBody struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code,omitempty"`
}

// handleError is Echo's error handler.
func (a *api) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		noteOf(c).err = err // the answer is out, or was lost on the way
		return
	}
	refused := refusalOf(c.Request().Context(), err)
	noteOf(c).err = refused.cause
	if err := a.respondRefusal(c, refused); err != nil {
		noteOf(c).err = err
	}
}

func (a *api) respondRefusal(c echo.Context, r *refusal) error {
	header := c.Response().Header()
	if r.retryAfter > 0 {
		header.Set("Retry-After", wholeSeconds(r.retryAfter))
	}
	if r.hangUp {
		header.Set("Connection", "close")
	}
	if !wantsProblem(c.Request().Header.Values("Accept")) {
		return a.respond(c, r.status, errorBody{Error: r.sentence, Code: r.code})
	}
	header.Set("Content-Type", mediaTypeProblem)
	return a.respond(c, r.status, problemBody{
		Type: problemTypes + r.name, Title: r.title, Status: r.status, Detail: r.sentence, Code: r.code,
	})
}

// respond writes a whole answer. The client gets the write timeout to take it.
func (a *api) respond(c echo.Context, status int, body any) error {
	encoded, err := encode(body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w := c.Response()
	header := w.Header()
	setDefault(header, "Content-Type", mediaTypeJSON)
	setDefault(header, "Vary", "Accept") // for errors have two forms
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(encoded)))
	header.Set("X-Content-Type-Options", "nosniff")
	deadline := time.Now().Add(a.options.WriteTimeout)
	if c.Request().Body != http.NoBody {
		// Nobody has read the body, so net/http does before it sends the answer.
		deadline = deadline.Add(a.options.ReadTimeout)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(deadline) // unless it is no connection
	w.WriteHeader(status)
	if _, err := w.Write(encoded); err != nil {
		return fmt.Errorf("send answer: %w", err)
	}
	return nil
}

// encode writes JSON as it is documented: & < > as they are, and no line feed at the end.
func encode(body any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

func setDefault(h http.Header, name, value string) {
	if h.Get(name) == "" {
		h.Set(name, value)
	}
}

// wholeSeconds rounds up, so that whoever waits as told does not come too early, and is
// never zero.
func wholeSeconds(d time.Duration) string {
	seconds := int64((d + time.Second - 1) / time.Second)
	return strconv.FormatInt(max(seconds, 1), 10)
}
