package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const headerForwardedFor = "X-Forwarded-For"

// maxForwards bounds how many proxies, one behind the other, are followed to a client.
const maxForwards = 32

// Proxies are the addresses whose word on where a request comes from is believed.
type Proxies []netip.Prefix

// ParseProxies reads addresses and ranges of addresses, separated by commas.
func ParseProxies(text string) (Proxies, error) {
	var proxies Proxies
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		proxy, err := netip.ParsePrefix(entry)
		if addr, single := netip.ParseAddr(entry); single == nil && addr.Zone() == "" {
			proxy, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil, proxy.Addr().Is4In6():
			return nil, errors.New("a proxy is an address such as 10.0.0.7, or a range such as 10.0.0.0/24")
		case proxy.Bits() == 0:
			return nil, errors.New("all addresses together are no proxy") // whoever calls would be believed
		}
		proxies = append(proxies, proxy)
	}
	return proxies, nil
}

func (p Proxies) have(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(proxy netip.Prefix) bool { return proxy.Contains(addr) })
}

// clientOf returns the address that a request comes from: the peer's, unless that is a proxy which
// is believed. Each proxy adds the address of its own peer at the right end of X-Forwarded-For, so
// the client is the first from the right that is none of the proxies; what is left of it, the client
// may have made up. An entry that is no address ends the search at the proxy that has written it.
//
// Other headers are not looked at. A proxy that sets one passes on what a client says in the others,
// so believing several is believing the client. Echo's own extractor takes no entry with a port, and
// looks at the whole header, however long it is.
//
// The address is not valid where the connection has none.
func (p Proxies) clientOf(r *http.Request) netip.Addr {
	client, _ := parseAddress(r.RemoteAddr)
	if !p.have(client) {
		return client
	}
	lines, forwards := r.Header.Values(headerForwardedFor), 0
	for _, line := range slices.Backward(lines) {
		for rest, more := line, true; more && forwards < maxForwards; forwards++ {
			var entry string
			rest, entry, more = cutLast(rest)
			if entry == "" {
				continue // as an empty element of any list (RFC 9110, section 5.6.1.2)
			}
			addr, ok := parseAddress(entry)
			if !ok {
				return client
			}
			if client = addr; !p.have(client) {
				return client
			}
		}
	}
	return client
}

// cutLast cuts the last element off a list.
func cutLast(list string) (rest, last string, more bool) {
	if comma := strings.LastIndexByte(list, ','); comma >= 0 {
		return list[:comma], strings.Trim(list[comma+1:], " \t"), true
	}
	return "", strings.Trim(list, " \t"), false
}

// parseAddress reads an address with a port or without, and in brackets or without. An IPv4 address
// in the form of an IPv6 one is the same as by itself.
func parseAddress(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(text)
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}

// networkOf returns what is counted as one address: of IPv6 the first 64 bits, since whoever has one
// of these addresses usually has all that share them (RFC 6177).
func networkOf(addr netip.Addr) [16]byte {
	network := addr.As16() // zero for an address that is not valid
	if addr.Is6() {
		clear(network[8:])
	}
	return network
}
