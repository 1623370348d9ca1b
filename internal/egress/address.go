package egress

import (
	"net/netip"
	"slices"
)

// notPublic are the addresses that are not public although their family's global range contains them: the IANA
// IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), and multicast (RFC 5771).
var notPublic = prefixes(
	"0.0.0.0/8",         // this network (RFC 791)
	"10.0.0.0/8",        // private (RFC 1918)
	"100.64.0.0/10",     // carrier-grade NAT (RFC 6598); Alibaba's metadata is 100.100.100.200
	"127.0.0.0/8",       // loopback (RFC 1122)
	"168.63.129.16/32",  // Azure's virtual public address of the host ("What is IP address 168.63.129.16?")
	"169.254.0.0/16",    // link-local (RFC 3927); the metadata of most clouds is 169.254.169.254
	"172.16.0.0/12",     // private (RFC 1918)
	"192.0.0.0/24",      // IETF protocol assignments (RFC 6890); Oracle's metadata is 192.0.0.192
	"192.0.2.0/24",      // documentation (RFC 5737)
	"192.31.196.0/24",   // AS112 (RFC 7535)
	"192.52.193.0/24",   // AMT (RFC 7450)
	"192.88.99.0/24",    // relays of 6to4 (RFC 7526)
	"192.168.0.0/16",    // private (RFC 1918)
	"192.175.48.0/24",   // AS112 (RFC 7534)
	"198.18.0.0/15",     // benchmarks (RFC 2544)
	"198.51.100.0/24",   // documentation (RFC 5737)
	"203.0.113.0/24",    // documentation (RFC 5737)
	"224.0.0.0/4",       // multicast (RFC 5771)
	"240.0.0.0/4",       // reserved, and broadcast (RFC 1112, RFC 919)
	"2001::/23",         // IETF protocol assignments (RFC 2928), with Teredo, ORCHID and benchmarks
	"2001:db8::/32",     // documentation (RFC 3849)
	"2002::/16",         // 6to4, which contains an IPv4 address (RFC 3056)
	"2620:4f:8000::/48", // AS112 (RFC 7534)
	"3fff::/20",         // documentation (RFC 9637)
)

// global6 is the range of IPv6 addresses that are assigned for global use (IANA, "IPv6 Global Unicast Address
// Assignments"). It has no loopback, link-local, unique local, multicast, IPv4-mapped or translated (64:ff9b::/96,
// RFC 6052) address.
var global6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// IsPublic reports whether an address is one of a host on the Internet. An IPv6 address that contains an IPv4 address
// is not.
func IsPublic(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !global6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}
