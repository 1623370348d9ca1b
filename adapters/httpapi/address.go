package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const headerForwardedFor = "X-Forwarded-For"

// maxForwards bounds how many chained proxies are followed to a client.
const maxForwards = 32

// Proxies are the addresses whose X-Forwarded-For header is trusted.
type Proxies []netip.Prefix

// ParseProxies parses addresses and ranges of addresses, separated by commas. A blank text means none.
// Ranges that together have all addresses of IPv4 or IPv6 are refused, because any client would be
// trusted.
func ParseProxies(text string) (Proxies, error) {
	var proxies Proxies
	for _, entry := range listElements(text) {
		proxy, err := netip.ParsePrefix(entry)
		if addr, single := netip.ParseAddr(entry); single == nil && addr.Zone() == "" {
			proxy, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || proxy.Addr().Is4In6() {
			return nil, errors.New("a proxy is an address such as 10.0.0.7, or a range such as 10.0.0.0/24")
		}
		proxies = append(proxies, proxy)
	}
	for _, all := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if proxies.cover(netip.PrefixFrom(all, 0)) {
			return nil, errors.New("the ranges of proxies must not contain all addresses")
		}
	}
	return proxies, nil
}

// listElements returns the elements of a list that is separated by commas; none if it is blank. An
// element may be empty.
func listElements(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	elements := strings.Split(text, ",")
	for i, element := range elements {
		elements[i] = strings.TrimSpace(element)
	}
	return elements
}

// cover reports whether the proxies together contain the whole network.
func (p Proxies) cover(network netip.Prefix) bool {
	overlapping := slices.DeleteFunc(slices.Clone(p), func(proxy netip.Prefix) bool { return !proxy.Overlaps(network) })
	if len(overlapping) == 0 {
		return false
	}
	if slices.ContainsFunc(overlapping, func(proxy netip.Prefix) bool { return proxy.Bits() <= network.Bits() }) {
		return true
	}
	lower, upper := halves(network)
	return overlapping.cover(lower) && overlapping.cover(upper)
}

// halves returns the two halves of a network of more than one address.
func halves(network netip.Prefix) (lower, upper netip.Prefix) {
	bytes := network.Addr().AsSlice()
	bit := network.Bits()
	bytes[bit/8] |= 0x80 >> (bit % 8)
	middle, _ := netip.AddrFromSlice(bytes) // of 4 or 16 bytes
	return netip.PrefixFrom(network.Addr(), bit+1), netip.PrefixFrom(middle, bit+1)
}

func (p Proxies) contain(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(proxy netip.Prefix) bool { return proxy.Contains(addr) })
}

// ClientOf returns the address that a request comes from: the peer's, unless the peer is a trusted
// proxy. Each proxy appends the address of its own peer to X-Forwarded-For, so the client is the
// first entry from the right that is not a trusted proxy; the client may have made up the entries
// before it. An entry that is not an address ends the search at the proxy that wrote it.
//
// Other headers are ignored. A proxy that sets one of them forwards what the client sends in the
// others, so trusting several headers means trusting the client. Echo's own extractor accepts no
// entry with a port, and reads the whole header regardless of its length.
//
// The address is not valid if the connection has none.
func (p Proxies) ClientOf(r *http.Request) netip.Addr {
	client, _ := parseAddress(r.RemoteAddr)
	if !p.contain(client) {
		return client
	}
	lines, forwards := r.Header.Values(headerForwardedFor), 0
	for _, line := range slices.Backward(lines) {
		for rest, more := line, true; more && forwards < maxForwards; forwards++ {
			var entry string
			rest, entry, more = cutLast(rest)
			if entry == "" {
				continue // an empty list element is ignored (RFC 9110, section 5.6.1.2)
			}
			addr, ok := parseAddress(entry)
			if !ok {
				return client
			}
			if client = addr; !p.contain(client) {
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

// parseAddress parses an address with or without a port and brackets. An IPv4-mapped IPv6 address
// equals the IPv4 address.
func parseAddress(text string) (netip.Addr, bool) {
	withPort, err := netip.ParseAddrPort(text) // first, because every peer's address has a port
	addr := withPort.Addr()
	if err != nil {
		addr, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	}
	return addr.Unmap().WithZone(""), err == nil
}

// networkOf returns what is counted as one address. For IPv6 these are the first 64 bits, because a
// client usually has all addresses that share them (RFC 6177).
func networkOf(addr netip.Addr) [16]byte {
	network := addr.As16() // zero if the address is not valid
	if addr.Is6() {
		clear(network[8:])
	}
	return network
}
