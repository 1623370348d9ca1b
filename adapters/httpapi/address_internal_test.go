package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseProxies(t *testing.T) {
	t.Parallel()
	for _, right := range []string{
		"", " ", "10.0.0.7", "10.0.0.0/8, ::1,fd00::/8", "192.0.2.1/32", "10.1.2.3/8",
		"0.0.0.0/1", "0.0.0.0/1,128.0.0.0/2,192.0.0.0/3", "::/1,8000::/2", "0.0.0.0/1,8000::/1", "10.0.0.0/8,10.0.0.0/8",
	} {
		_, err := ParseProxies(right)
		require.NoError(t, err, right)
	}
	for _, wrong := range []string{
		"localhost", "10.0.0.7:80", "10.0.0", "10.0.0.0/33", "fe80::1%eth0", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104",
		"0.0.0.0/0", "::/0", "*", "10.0.0.1;10.0.0.2", "[::1]",
		",", "10.0.0.7,", ",10.0.0.7", "10.0.0.7,,10.0.0.8", "10.0.0.7, ,10.0.0.8",
		"0.0.0.0/1,128.0.0.0/1", "200.0.0.1/1,10.0.0.7,1.2.3.4/1", "::/1,8000::/1", "10.0.0.7,::/1,8000::/2,c000::/2",
		"0.0.0.0/1,0.0.0.0/2,128.0.0.0/2,192.0.0.0/2,64.0.0.0/2",
	} {
		_, err := ParseProxies(wrong)
		require.Error(t, err, wrong)
	}
}

func TestProxies_ClientOf(t *testing.T) {
	t.Parallel()
	proxies, err := ParseProxies("10.0.0.0/8,2001:db8:0:1::/64")
	require.NoError(t, err)
	many := strings.Repeat("10.0.0.1,", 100) + "10.0.0.2"
	for _, test := range []struct {
		peer, want string
		forwarded  []string
	}{
		// No proxy is trusted.
		{"203.0.113.9:5000", "203.0.113.9", nil},
		{"10.0.0.1:5000", "10.0.0.1", nil},
		{"[2001:db8::9]:5000", "2001:db8::9", nil},
		{"[::ffff:203.0.113.9]:5000", "203.0.113.9", nil},
		{"[fe80::1%eth0]:5000", "fe80::1", nil},
		{"pipe", "invalid IP", nil},

		// The header of a peer that is not a proxy is ignored.
		{"203.0.113.9:5000", "203.0.113.9", []string{"198.51.100.1"}},
		{"203.0.113.9:5000", "203.0.113.9", []string{"10.0.0.1, 198.51.100.1"}},
		{"11.0.0.1:5000", "11.0.0.1", []string{"198.51.100.1"}},
		{"pipe", "invalid IP", []string{"198.51.100.1"}},

		// The peer is a proxy.
		{"10.0.0.1:5000", "198.51.100.1", []string{"198.51.100.1"}},
		{"[::ffff:10.0.0.1]:5000", "198.51.100.1", []string{"198.51.100.1"}},
		{"[2001:db8:0:1::5]:5000", "198.51.100.1", []string{"198.51.100.1"}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"\t198.51.100.1 "}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"198.51.100.1:6000"}},
		{"10.0.0.1:5000", "2001:db8::9", []string{"2001:db8::9"}},
		{"10.0.0.1:5000", "2001:db8::9", []string{"[2001:db8::9]"}},
		{"10.0.0.1:5000", "2001:db8::9", []string{"[2001:db8::9]:6000"}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"::ffff:198.51.100.1"}},

		// Entries before the client's, which the client may have made up, are ignored.
		{"10.0.0.1:5000", "198.51.100.1", []string{"192.0.2.66, 198.51.100.1"}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"192.0.2.66, 198.51.100.1, 10.0.0.2, 10.0.0.3"}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"192.0.2.66", "198.51.100.1", "10.0.0.2"}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"10.0.0.9, 198.51.100.1, 10.0.0.2"}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"<script>, 198.51.100.1"}},
		{"10.0.0.1:5000", "198.51.100.1", []string{strings.Repeat("x,", 4000) + "198.51.100.1"}},

		// All entries are proxies: the farthest one counts.
		{"10.0.0.1:5000", "10.0.0.4", []string{"10.0.0.4, 10.0.0.3"}},

		// An entry that cannot be parsed counts as the proxy that wrote it.
		{"10.0.0.1:5000", "10.0.0.1", []string{"unknown"}},
		{"10.0.0.1:5000", "10.0.0.3", []string{"198.51.100.1, _hidden, 10.0.0.3"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"198.51.100.1 10.0.0.3"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"198.51.100.256"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"198.51.100.1:port"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"127.1"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"0x7f000001"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{""}},
		{"10.0.0.1:5000", "198.51.100.1", []string{"198.51.100.1,,", ", "}},

		// The number of entries is bounded.
		{"10.0.0.1:5000", "10.0.0.1", []string{"198.51.100.1," + many}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"198.51.100.1" + strings.Repeat(",", 4000)}},
	} {
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{
			"X-Forwarded-For": test.forwarded,
			// Other headers are ignored.
			"Forwarded": {"for=192.0.2.1"}, "X-Real-Ip": {"192.0.2.2"}, "True-Client-Ip": {"192.0.2.3"},
		}}
		require.Equal(t, test.want, proxies.ClientOf(r).String(), "%.300q", test)
	}
}

func TestNetworkOf_IPv6_HasItsFirst64Bits(t *testing.T) {
	t.Parallel()
	of := func(addr string) [16]byte { return networkOf(netip.MustParseAddr(addr)) }
	require.Equal(t, of("2001:db8::1"), of("2001:db8::ffff:ffff:ffff:ffff"), "a /64")
	require.NotEqual(t, of("2001:db8::1"), of("2001:db8:0:1::1"))
	require.NotEqual(t, of("192.0.2.1"), of("192.0.2.2"))
	require.Zero(t, networkOf(netip.Addr{}))
}
