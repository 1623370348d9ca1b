package httpgateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"paymentd/core/payment"
)

// parseBase parses the base URL of a gateway. Its errors never contain the URL, which may have a
// password by mistake.
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
	case strings.IndexFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }) >= 0:
		return nil, errors.New("gateway URL must have a host name in ASCII; write an internationalized one in its xn-- form (RFC 5890)")
	case u.User != nil:
		return nil, errors.New("gateway URL must hold no user name or password: the gateway protocol has no login")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("gateway URL must end with its path, without ? or #")
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // an empty port is valid (RFC 3986, section 3.2.3)
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("gateway URL has port %s; it must be 1 to 65535", port)
		}
	}
	return u, nil
}

// Address returns the base URL in the form in which it is the identity of a gateway without a name.
func (g *Gateway) Address() string { return string(gatewayID(g.charges)) }

// gatewayID returns the identity of the gateway with this charges URL: its base URL with scheme and
// host in lower case, without the default port and a trailing slash. If it is too long, it is
// truncated and made unique with its SHA-256.
func gatewayID(charges *url.URL) payment.GatewayID {
	host := strings.ToLower(charges.Host)
	standard := map[string]string{"http": ":80", "https": ":443"}
	host = strings.TrimSuffix(host, standard[charges.Scheme])
	base := url.URL{Scheme: charges.Scheme, Host: host}
	path := strings.TrimSuffix(charges.EscapedPath(), "/charges")
	id := base.String() + strings.TrimRight(path, "/")
	if len(id) <= payment.MaxGatewayIDBytes {
		return payment.GatewayID(id)
	}
	sum := sha256.Sum256([]byte(id))
	hash := "#" + hex.EncodeToString(sum[:])
	return payment.GatewayID(id[:payment.MaxGatewayIDBytes-len(hash)] + hash)
}
