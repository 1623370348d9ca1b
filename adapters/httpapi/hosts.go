package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Hosts are the names, beside those of the loopback interface, under which a service without API keys is
// served: in lower case and without a dot at the end.
type Hosts []string

// ParseHosts reads names and addresses of hosts, separated by commas.
func ParseHosts(text string) (Hosts, error) {
	var hosts Hosts
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		host := canonicalHost(entry)
		if addr, err := netip.ParseAddr(host); (err != nil || addr.Zone() != "") && !isHostName(host) {
			return nil, errors.New("a host is a name such as pay.internal, or an address, without scheme, port or path")
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// maxHostBytes is the longest name of a host (RFC 1035, section 2.3.4).
const maxHostBytes = 253

// isHostName takes what a DNS name may have, and _, which names in containers have.
func isHostName(host string) bool {
	return host != "" && len(host) <= maxHostBytes && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" &&
		!strings.HasPrefix(host, ".") && !strings.Contains(host, "..")
}

// canonicalHost returns a host as it is compared: in lower case, an IPv6 address without its brackets,
// and without the dot at the end that a name may have (RFC 1034, section 3.1).
func canonicalHost(host string) string {
	if inner, opened := strings.CutPrefix(host, "["); opened {
		inner, closed := strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(inner); closed && err == nil && addr.Is6() {
			return strings.ToLower(inner)
		}
		return host // which is never served
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// Accept reports whether a request names a host of the loopback interface, or one of the hosts.
//
// The target of a request, if it has the absolute form, has replaced the Host header (RFC 9112, section
// 3.2.2). A user name in it is refused, as section 4.2.4 of RFC 9110 recommends. X-Forwarded-Host is
// what its sender likes, and is not looked at. A request without a host names none.
func (h Hosts) Accept(r *http.Request) bool { return r.URL.User == nil && h.have(r.Host) }

// have reports whether requests for the host, which may have a port, are served. The host decides, and
// not its port: another port of this machine is no other site to DNS rebinding.
func (h Hosts) have(hostport string) bool {
	host, ok := withoutPort(hostport)
	if !ok {
		return false
	}
	host = canonicalHost(host)
	// Names below localhost lead to the loopback interface as well (RFC 6761, section 6.3).
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(h, host) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// withoutPort cuts the port off the value of a Host header (RFC 9110, section 7.2), if there is one.
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

// hostError is why a request is not served for the host that it names.
type hostError struct{ host string }

func (e *hostError) Error() string {
	return "without API keys, the host " + quoted(e.host) + " is served only if PAYMENTD_ALLOWED_HOSTS has it"
}

// checkHost refuses a request for another host while no API key is needed. A page in a browser of this
// machine may have any name lead to the loopback interface (DNS rebinding); the browser then lets the
// page charge and read payments, as if they were its own. The Host header says which name that was, and
// a page cannot set it.
func (a *api) checkHost(r *http.Request) error {
	if a.options.AllowedHosts.Accept(r) {
		return nil
	}
	return refuse(problemHost).because(&hostError{r.Host})
}

// hosted guards what is open to anyone by the host alone.
func (a *api) hosted(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if key, err := a.options.Keys.Check(""); err == nil && key.ID == "" {
			if err := a.checkHost(c.Request()); err != nil {
				return err
			}
		}
		return next(c)
	}
}
