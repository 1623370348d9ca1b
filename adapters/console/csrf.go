package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// csrfField is the name of the form field that proves that a form is one of ours.
const csrfField = "csrf"

// csrfToken returns the value of that field. It depends on the cookie, which another site cannot read, so that it
// needs no storage. The cookie cannot be computed from it.
func csrfToken(cookie string) string {
	mac := hmac.New(sha256.New, []byte(cookie))
	mac.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// isOwnForm reports whether a POST comes from one of our pages: by the field, and by the headers in which browsers
// name the origin.
func (c *Console) isOwnForm(r *http.Request, s session) bool {
	if s.token == "" || c.origins.Check(r) != nil {
		return false
	}
	return hmac.Equal([]byte(r.PostFormValue(csrfField)), []byte(csrfToken(s.token)))
}
