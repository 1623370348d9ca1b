package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/adapters/httpapi/internal/wire"
	"paymentd/core/payment"
)

const mediaTypeProblem = "application/problem+json"

// problemTypes is the prefix of the type of a problem. It is a URN because there is no page to
// fetch, and because it is the same on every host.
const problemTypes = "urn:paymentd:problem:"

// handleError responds to the error of a handler: one table for all errors.
func (a *api) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		infoOf(c).err = err // the response was sent, at least in part
		return
	}
	refused := refusalOf(c.Request().Context(), err)
	if kind := kindOfRoute(c.Path()); kind != payment.KindCharge && c.Request().Method == http.MethodPost {
		refused = refused.ofOperation(kind)
	}
	n := infoOf(c)
	n.reason, n.err = cmp.Or(n.reason, refused.sentence), refused.cause
	if err := a.respondRefusal(c, refused); err != nil {
		infoOf(c).err = err
	}
}

func (a *api) respondRefusal(c echo.Context, r *refusal) error {
	header := c.Response().Header()
	if r.retryAfter > 0 {
		header.Set("Retry-After", wholeSeconds(r.retryAfter))
	}
	if r.closeConnection {
		header.Set("Connection", "close")
	}
	if !wantsProblem(c.Request().Header.Values("Accept")) {
		return a.respond(c, r.status, wire.Error{Error: r.sentence, Code: r.code, State: wire.State(r.state)})
	}
	header.Set("Content-Type", mediaTypeProblem)
	return a.respond(c, r.status, wire.Problem{
		Type: problemTypes + r.name, Title: r.title, Status: r.status, Detail: r.sentence, Code: r.code,
		State: wire.State(r.state),
	})
}

// respond writes a whole response.
func (a *api) respond(c echo.Context, status int, body any) error {
	encoded, err := encode(body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	header := c.Response().Header()
	setDefault(header, "Content-Type", valueJSON)
	setDefault(header, "Vary", valueAccept) // because errors have two forms
	header["Cache-Control"] = valueNoStore
	return a.send(c, status, encoded)
}

// send writes a response whose header is set. The client has the write timeout to receive it.
func (a *api) send(c echo.Context, status int, content []byte) error {
	w := c.Response()
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	deadline := time.Now().Add(a.options.WriteTimeout)
	if c.Request().Body != http.NoBody {
		// The body was not read, so net/http reads it before it sends the response.
		deadline = deadline.Add(a.options.ReadTimeout)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(deadline) // fails only without a connection
	w.WriteHeader(status)
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("send answer: %w", err)
	}
	return nil
}

// encode returns JSON with & < > unescaped, and without a trailing line feed.
func encode(body any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// setDefault sets a header, whose name is in its canonical form, unless it is set.
func setDefault(h http.Header, name string, values []string) {
	if h.Get(name) == "" {
		h[name] = values
	}
}

// Values of headers, shared by all responses. They must not be changed; [http.Header.Set] replaces them.
var (
	valueJSON         = []string{mediaTypeJSON}
	valueAccept       = []string{"Accept"}
	valueAcceptPrefer = []string{"Accept, Prefer"}
	valueNoStore      = []string{"no-store"}
)

// wholeSeconds rounds up, so that a client that waits that long is not early, and never returns
// zero.
func wholeSeconds(d time.Duration) string { return strconv.FormatInt(toSeconds(d), 10) }

// toSeconds is wholeSeconds as a number.
func toSeconds(d time.Duration) int64 { return max(int64((d+time.Second-1)/time.Second), 1) }
