package httpapi

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHosts_Accept(t *testing.T) {
	t.Parallel()
	allowed, err := ParseHosts("Pay.Internal., [2001:DB8::7] ,10.0.0.7,my_service")
	require.NoError(t, err)
	require.Equal(t, Hosts{"pay.internal", "2001:db8::7", "10.0.0.7", "my_service"}, allowed)
	for _, host := range []string{
		"localhost", "localhost:3000", "LOCALHOST", "LocalHost.:3000", "localhost:", "shop.localhost", "a.b.localhost.",
		"127.0.0.1", "127.0.0.1:3000", "127.255.3.4", "[::1]", "[::1]:3000", "[0:0:0:0:0:0:0:1]:1", "[::ffff:127.0.0.1]",
		"pay.internal", "PAY.INTERNAL:3000", "pay.internal.", "[2001:db8::7]:3000", "10.0.0.7:80", "my_service:3000",
	} {
		require.True(t, allowed.contain(host), host)
	}
	for _, host := range []string{
		"", ":3000", "evil.example", "localhost.evil.example", "evil-localhost", "xlocalhost", "localhost..", ".localhost.evil.example",
		"127.0.0.1.evil.example", "127.0.0.1.nip.io:3000", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "128.0.0.1",
		"0.0.0.0", "[::]", "[::1", "[::1]x", "[::1]:x", "::1", "::1:3000", "[::1%25lo]", "[::ffff:10.0.0.1]", "[2001:db8::8]",
		"[localhost]", "[127.0.0.1]", "localhost:80:80", "localhost:8a", "localhost,evil.example", "localhost evil.example", "evil.example@localhost.example",
		"localhost/", "localhost#", "localhost\x00.evil.example", "10.0.0.70", "internal", "x.pay.internal", "pay.internal.evil.example",
		"lоcalhost", // with a Cyrillic letter
	} {
		require.False(t, allowed.contain(host), host)
		require.False(t, Hosts(nil).contain(host), host)
	}
	require.False(t, Hosts(nil).contain("pay.internal"))
	for _, wrong := range []string{
		",", "a,", ",a", "a,,b", "a, ,b", "*", "*.internal", "http://a", "a:80", "a/b", "a b", "a..b", ".a", "[::1", "::1%lo:80", strings.Repeat("a", 254), "bücher.example", "a@b", "[a]",
	} {
		_, err := ParseHosts(wrong)
		require.Error(t, err, wrong)
	}
}
