// Package redirect checks the URLs at which a customer must act, before they are stored and shown.
package redirect

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// MaxBytes is the longest URL at which a customer can act.
const MaxBytes = 2048

var (
	errLength = fmt.Errorf("it must have at most %d characters", MaxBytes)
	errChars  = errors.New("it must consist of printable ASCII characters without spaces (RFC 3986, section 2)")
	errForm   = errors.New("it must be an absolute https:// URL with a host; http:// is accepted for a loopback host only")
)

// Check returns why a URL that a gateway named cannot be given to a customer: it must be an
// absolute https URL of at most [MaxBytes] printable ASCII characters. With http, the host must
// be localhost or a loopback address, because the answer of any other can be changed on its way.
func Check(s string) error {
	if len(s) > MaxBytes {
		return errLength
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return errChars
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return errForm
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return errForm
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
