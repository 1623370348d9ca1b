package stripefake

import (
	"net/http"
	"time"
)

// executeOnce answers a POST by its key (docs.stripe.com/api/idempotent_requests).
func (f *Fake) executeOnce(c *call, r route) reply {
	if len(c.key) > 255 {
		return fail(http.StatusBadRequest, errorBody{Type: typeInvalid, Message: "The idempotency key is longer than 255 characters."})
	}
	key := saved{
		Key: c.key, Endpoint: c.request.Method + " " + c.request.URL.Path, Form: c.request.PostForm.Encode(), Request: c.reqID,
	}
	f.mu.Lock()
	if before, known := f.state.Keys[c.key]; known && f.options.Clock().Sub(before.At) < keyLifetime {
		defer f.mu.Unlock()
		if before.Endpoint != key.Endpoint || before.Form != key.Form {
			return fail(http.StatusBadRequest, errorBody{
				Type:    "idempotency_error",
				Message: "Keys for idempotent requests can only be used with the same parameters and endpoint they were first used with.",
			})
		}
		return reply{status: before.Status, body: before.Body, replayOf: before.Request}
	}
	if f.inUse[c.key] {
		defer f.mu.Unlock()
		return fail(http.StatusConflict, errorBody{
			Type: "idempotency_error", Code: codeKeyInUse,
			Message: "There is currently another in-progress request using this Idempotent Key.",
		})
	}
	f.inUse[c.key] = true
	f.mu.Unlock()
	if slow := methods[c.form["payment_method"]].slow; slow > 0 {
		// The client may give up, but the request is executed completely.
		time.Sleep(slow)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	defer delete(f.inUse, c.key)
	return f.persist(f.handle(c, r), key)
}
