package httpgateway

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// parseBase checks the base URL of a gateway. Its errors never repeat the URL, which may
// hold a password that was put there by mistake.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("gateway URL cannot be read; it must look like https://host:port/path")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("gateway URL must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("gateway URL must name a host, such as https://gateway.example")
	case u.User != nil:
		return nil, errors.New("gateway URL must hold no user name or password: the gateway protocol has no login")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("gateway URL must end with its path, without ? or #")
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err == nil && host != u.Hostname() { // such as bücher.example
		u.Host = strings.Replace(u.Host, u.Hostname(), host, 1)
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // a port may be empty (RFC 3986, section 3.2.3)
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("gateway URL has port %s; it must be 1 to 65535", port)
		}
	}
	return u, nil
}
