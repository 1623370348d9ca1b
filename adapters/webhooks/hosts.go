package webhooks

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Hosts are the hosts that are allowed by name, also at an address that is not public, and over http://. Each is a
// host name or an address, without a port.
type Hosts []string

// UnmarshalText parses hosts that are separated by commas. The error says what to change.
func (h *Hosts) UnmarshalText(text []byte) error {
	*h = nil
	for host := range strings.SplitSeq(string(text), ",") {
		host = canonical(strings.TrimSpace(host))
		switch _, err := netip.ParseAddr(host); {
		case host == "" && len(text) == 0:
		case host == "", err != nil && strings.ContainsAny(host, "/:*@? "):
			return errors.New("must be host names or addresses, separated by commas, without a port, such as hooks.internal,10.1.2.3")
		default:
			*h = append(*h, host)
		}
	}
	return nil
}

// canonical returns a host as it is compared: in lower case, without the brackets of an address and a final dot.
func canonical(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

func (h Hosts) contains(host string) bool { return slices.Contains(h, canonical(host)) }

// Check returns why no event is sent to a URL, as a sentence that says what to change; the address of a name is
// checked when it is connected to.
func (h Hosts) Check(u *url.URL) error {
	host := u.Hostname()
	a, err := netip.ParseAddr(canonical(host))
	switch {
	case h.contains(host):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("must begin with https://, or its host be allowed with PAYMENTD_ENDPOINTS_ALLOW=%s", host)
	case err == nil && !IsPublic(a), canonical(host) == "localhost", strings.HasSuffix(canonical(host), ".localhost"):
		return &refusedError{host: host, address: host}
	}
	return nil
}

// refusedError: the address of a host is not public.
type refusedError struct{ host, address string }

// Error says what to change.
func (e *refusedError) Error() string {
	return fmt.Sprintf("the address %s is not public, and nothing is sent to it: use another address, or allow the host with "+
		"PAYMENTD_ENDPOINTS_ALLOW=%s", e.address, e.host)
}
