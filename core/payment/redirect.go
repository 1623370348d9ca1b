package payment

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
)

// MaxURLBytes is the longest URL at which a customer can act.
const MaxURLBytes = 2048

var (
	errURLLength = fmt.Errorf("it must have at most %d characters", MaxURLBytes)
	errURLChars  = errors.New("it must consist of printable ASCII characters without spaces (RFC 3986, section 2)")
	errURLForm   = errors.New("it must be an absolute https:// URL with a host; http:// is accepted for a loopback host only")
)

// CheckRedirectURL returns why a URL that a gateway named cannot be given to a customer: it must be an
// absolute https URL of at most [MaxURLBytes] printable ASCII characters. With http, the host must
// be localhost or a loopback address, because the answer of any other can be changed on its way.
func CheckRedirectURL(s string) error {
	if len(s) > MaxURLBytes {
		return errURLLength
	}
	if !printableASCII(s) {
		return errURLChars
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return errURLForm
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return errURLForm
}

func isLoopback(host string) bool {
	ip, _ := netip.ParseAddr(host)
	return host == "localhost" || ip.IsLoopback()
}
