package console

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/core/apikey"
)

const (
	// streamLifetime bounds a stream. The page then opens the next one, for which the session is checked anew.
	streamLifetime = 10 * time.Minute
	// streamWrite bounds the time in which a viewer receives one update.
	streamWrite = 10 * time.Second
)

// liveRoutes adds the routes of the live updates.
func (c *Console) liveRoutes(e *echo.Echo) { e.GET(Root+"/now/stream", c.stream) }

// Close ends the streams, because they would delay the end of the server.
func (c *Console) Close() { c.live.close() }

// newNow returns the live updates of the first page.
func (c *Console) newNow() {
	c.sampler = &sampler{work: c.options.Watched.Work}
	c.live = newLive(c.renderNow, c.sampler.due)
}

// showNow serves the first page. With ?live=off, it stays as it is.
func (c *Console) showNow(v *visit) error {
	view := c.nowView()
	view.Live = v.QueryParam("live") != "off"
	return c.render(v, http.StatusOK, "now", "Now", "now", view)
}

func (c *Console) nowView() nowView {
	s := c.sampler.get()
	return newNowView(c.options.Watched, s, time.Now())
}

// renderNow returns one update as an event of a stream; a comment if it cannot be rendered.
func (c *Console) renderNow() []byte {
	var content bytes.Buffer
	if err := c.pages["now"].ExecuteTemplate(&content, "now", c.nowView()); err != nil {
		c.log.Error("the console could not render a live update", "error", err)
		return []byte(": error\n\n")
	}
	return message(content.Bytes())
}

// message returns text as a message of a stream (HTML, section 9.2.5).
func message(text []byte) []byte {
	var m bytes.Buffer
	for line := range bytes.Lines(text) {
		m.WriteString("data: ")
		m.Write(bytes.TrimRight(line, "\r\n"))
		m.WriteByte('\n')
	}
	m.WriteByte('\n')
	return m.Bytes()
}

// signedOut is the last update of a stream whose session has ended.
const signedOut = `<p class="problem" role="alert">Your session has ended, or its API key was revoked. ` +
	`<a href="` + Root + `/sign-in">Sign in again</a></p>`

// endEvent is the event after which the page does not reconnect.
const endEvent = "event: end\ndata:\n\n"

// stream sends the live updates of the first page as server-sent events until the viewer leaves, the session ends or
// the service stops. It takes none of the slots of the pages.
func (c *Console) stream(x echo.Context) error {
	if c.needsHost(x.Request()) {
		return x.String(http.StatusMisdirectedRequest, misdirected)
	}
	if refused, wait := c.visits.take(c.options.ClientOf(x.Request())); refused {
		x.Response().Header().Set("Retry-After", wholeSeconds(wait))
		return x.String(http.StatusTooManyRequests, "too many requests from this address; the page tries again")
	}
	s, err := c.readSession(x.Request())
	switch {
	case err != nil:
		x.Response().Header().Set("Retry-After", "5")
		return x.String(http.StatusServiceUnavailable, "the database is not available; the page tries again")
	case !s.allows(apikey.ScopeRead):
		return x.String(http.StatusUnauthorized, "sign in first")
	}
	updates, leave, ok := c.live.watch()
	if !ok {
		x.Response().Header().Set("Retry-After", "30")
		return x.String(http.StatusServiceUnavailable, "too many people watch, or the service stops; the page tries again")
	}
	defer leave()
	header := x.Response().Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx passes each update on at once
	x.Response().WriteHeader(http.StatusOK)
	return c.pump(x, s, updates)
}

// pump writes updates to a viewer.
func (c *Console) pump(x echo.Context, s session, updates <-chan []byte) error {
	controller := http.NewResponseController(x.Response())
	write := func(text []byte) error {
		if err := controller.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return fmt.Errorf("limit the time of an update: %w", err)
		}
		if _, err := x.Response().Write(text); err != nil {
			return err
		}
		return controller.Flush()
	}
	end := time.After(streamLifetime)
	err := write([]byte(": the updates follow\n\n"))
	for err == nil {
		select {
		case update := <-updates:
			if !c.stillAllowed(s) {
				_ = write(append(message([]byte(signedOut)), endEvent...)) // the viewer may have left
				return nil
			}
			err = write(update)
		case <-end:
			return nil
		case <-c.live.stop:
			return nil
		case <-x.Request().Context().Done():
			return nil
		}
	}
	return nil // the viewer has left, or is too slow
}

// stillAllowed reports whether the key of a session is still valid. It costs no query.
func (c *Console) stillAllowed(s session) bool {
	if s.open {
		key, err := c.options.Keys.Check("")
		return err == nil && key.ID == ""
	}
	key, err := c.options.Keys.Find(s.key.ID)
	return err == nil && key.Scopes.Allow(apikey.ScopeRead)
}
