package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Hosts are the names under which a service without API keys is served, in addition to those of the
// loopback interface: in lower case and without a trailing dot.
type Hosts []string

// ParseHosts parses names and addresses of hosts, separated by commas. A blank text means none.
func ParseHosts(text string) (Hosts, error) {
	var hosts Hosts
	for _, entry := range listElements(text) {
		host := canonicalHost(entry)
		if addr, err := netip.ParseAddr(host); (err != nil || addr.Zone() != "") && !isHostName(host) {
			return nil, errors.New("a host is a name such as pay.internal, or an address, without scheme, port or path")
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// maxHostBytes is the maximum length of a host name (RFC 1035, section 2.3.4).
const maxHostBytes = 253

// isHostName accepts the characters of DNS names, and _, which container names have.
func isHostName(host string) bool {
	return host != "" && len(host) <= maxHostBytes && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" &&
		!strings.HasPrefix(host, ".") && !strings.Contains(host, "..")
}

// canonicalHost returns a host in the form that is compared: in lower case, an IPv6 address without
// brackets, and a name without a trailing dot (RFC 1034, section 3.1).
func canonicalHost(host string) string {
	if inner, opened := strings.CutPrefix(host, "["); opened {
		inner, closed := strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(inner); closed && err == nil && addr.Is6() {
			return strings.ToLower(inner)
		}
		return host // never served
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// Accept reports whether a request names a host of the loopback interface, or one of the hosts.
//
// If the request target has the absolute form, it has replaced the Host header (RFC 9112, section
// 3.2.2). A user name in it is refused, as section 4.2.4 of RFC 9110 recommends. X-Forwarded-Host
// is ignored, because any client can set it. A request without a host is not accepted.
func (h Hosts) Accept(r *http.Request) bool { return r.URL.User == nil && h.contain(r.Host) }

// contain reports whether requests for the host, which may have a port, are served. The port does
// not matter, because another port of this machine is not another site for DNS rebinding.
func (h Hosts) contain(hostport string) bool {
	host, ok := withoutPort(hostport)
	if !ok {
		return false
	}
	host = canonicalHost(host)
	// Names below localhost resolve to the loopback interface as well (RFC 6761, section 6.3).
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(h, host) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// withoutPort removes the port from the value of a Host header (RFC 9110, section 7.2), if there is
// one.
func withoutPort(hostport string) (host string, ok bool) {
	host, port := hostport, ""
	switch colon := strings.LastIndexByte(hostport, ':'); {
	case strings.HasPrefix(hostport, "["):
		end := strings.IndexByte(hostport, ']')
		if end < 0 {
			return "", false
		}
		host, port = hostport[:end+1], hostport[end+1:]
		if port != "" && port[0] != ':' {
			return "", false
		}
		port = strings.TrimPrefix(port, ":")
	case colon >= 0:
		host, port = hostport[:colon], hostport[colon+1:]
		if strings.Contains(host, ":") {
			return "", false // an IPv6 address must be in brackets
		}
	}
	return host, strings.Trim(port, "0123456789") == ""
}

// hostError is the reason why a request is not served for its host.
type hostError struct{ host string }

func (e *hostError) Error() string {
	return "without API keys, the host " + quoted(e.host) + " is served only if PAYMENTD_ALLOWED_HOSTS has it"
}

// checkHost refuses a request for another host if no API key is required. A page in a browser on
// this machine can make any name resolve to the loopback interface (DNS rebinding); the browser
// then lets the page charge and read payments as if they were its own. The Host header has that
// name, and a page cannot change it.
func (a *api) checkHost(r *http.Request) error {
	if a.options.AllowedHosts.Accept(r) {
		return nil
	}
	return refuse(problemHost).withCause(&hostError{r.Host})
}

// requireHost checks the host of a request for a resource that needs no key.
func (a *api) requireHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if key, err := a.options.Keys.Check(""); err == nil && key.ID == "" {
			if err := a.checkHost(c.Request()); err != nil {
				return err
			}
		}
		return next(c)
	}
}
