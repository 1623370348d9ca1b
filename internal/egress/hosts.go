package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Hosts are the hosts that are allowed by name, also at an address that is not public, and without TLS. Each is a
// host name or an address, without a port.
type Hosts []string

// ParseHosts parses hosts that are separated by commas; an empty text has none. The error says what to change.
func ParseHosts(text string) (Hosts, error) {
	if text == "" {
		return nil, nil
	}
	var hosts Hosts
	for host := range strings.SplitSeq(text, ",") {
		host = canonical(strings.TrimSpace(host))
		if _, err := netip.ParseAddr(host); host == "" || err != nil && strings.ContainsAny(host, "/:*@? ") {
			return nil, errors.New("must be host names or addresses, separated by commas, without a port, such as hooks.internal,10.1.2.3")
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// String returns the hosts as [ParseHosts] reads them.
func (h Hosts) String() string { return strings.Join(h, ",") }

// canonical returns a host as it is compared: in lower case, without the brackets of an address and a final dot.
func canonical(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// Contains reports whether a host is allowed by name.
func (h Hosts) Contains(host string) bool { return slices.Contains(h, canonical(host)) }

// Check returns why no event is sent to a URL, as a sentence that says what to change; the address of a name is
// checked when it is connected to.
func (h Hosts) Check(u *url.URL) error {
	host := u.Hostname()
	a, err := netip.ParseAddr(canonical(host))
	switch {
	case h.Contains(host):
		return nil
	case u.Scheme != "https" && u.Scheme != "tls":
		return fmt.Errorf("must begin with https:// or tls://, or its host be allowed with PAYMENTD_ENDPOINTS_ALLOW=%s", host)
	case err == nil && !IsPublic(a), canonical(host) == "localhost", strings.HasSuffix(canonical(host), ".localhost"),
		canonical(host) == "metadata.google.internal", canonical(host) == "metadata": // of Google's clouds, at a link-local address
		return &RefusedError{host: host, address: host}
	}
	return nil
}

// RefusedError says that the address of a host is not public.
type RefusedError struct{ host, address string }

// Error says what to change.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the address %s is not public, and nothing is sent to it: use another address, or allow the host with "+
		"PAYMENTD_ENDPOINTS_ALLOW=%s", e.address, e.host)
}
