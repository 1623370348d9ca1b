package endpoint

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The maximum lengths of a DNS name and of one of its labels (RFC 1035, section 2.3.4).
const (
	maxHostBytes  = 253
	maxLabelBytes = 63
)

// isPort reports whether a URL has no port, or one that can be connected to.
func isPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// isHost reports whether a host can have an address: whether it is an address, or has the form of a DNS name (RFC 1123,
// section 2.1), in which _ is allowed as container names have it. A name that ends in a number is not one, because
// resolvers take it for an IPv4 address in decimal, octal or hexadecimal (URL Standard, "ends in a number checker").
func isHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == ""
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if len(host) > maxHostBytes {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	last := labels[len(labels)-1]
	if digits, hex := strings.CutPrefix(last, "0x"); hex && strings.Trim(digits, "0123456789abcdef") == "" {
		return false
	}
	return strings.Trim(last, "0123456789") != ""
}

// isLabel reports whether a lower-case label may be part of a name. Letters beyond ASCII must be encoded: xn-- and at least
// one character (RFC 5890, section 2.3.2.1).
func isLabel(label string) bool {
	return label != "" && len(label) <= maxLabelBytes && label != "xn--" && label[0] != '-' && label[len(label)-1] != '-' &&
		strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
