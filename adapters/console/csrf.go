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
	return sign(cookie, "csrf")
}

func sign(cookie, text string) string {
	mac := hmac.New(sha256.New, []byte(cookie))
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// doneAt returns the address of a page that says that an act was done. It is signed with the cookie, so that a link of
// another origin cannot make the page say so.
func (v *visit) doneAt(path, act string) string {
	return path + "?done=" + act + "&signed=" + sign(v.session.token, "done "+act+" "+path)
}

// done returns the act that was done; empty if the address was not made by doneAt for this page and session.
func (v *visit) done() string {
	act := v.QueryParam("done")
	want := sign(v.session.token, "done "+act+" "+v.Request().URL.EscapedPath())
	if act == "" || !hmac.Equal([]byte(v.QueryParam("signed")), []byte(want)) {
		return ""
	}
	return act
}

// isOwnForm reports whether a POST comes from one of our pages: by the field, and by the headers in which browsers
// name the origin.
func (c *Console) isOwnForm(r *http.Request, s session) bool {
	if s.token == "" || c.origins.Check(r) != nil {
		return false
	}
	return hmac.Equal([]byte(r.PostFormValue(csrfField)), []byte(csrfToken(s.token)))
}
