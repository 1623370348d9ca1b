package redirect_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/internal/redirect"
)

func TestCheck_AcceptsWhatACustomerCanOpen(t *testing.T) {
	t.Parallel()
	const prefix = "https://bank.example/"
	for _, url := range []string{
		"https://bank.example", "https://bank.example/3ds?id=7&a=%20#x", "https://bank.example:8443/", "HTTPS://bank.example/",
		"https://[2001:db8::1]/", "http://localhost:3001/redirect/k", "http://127.0.0.1/", "http://127.8.9.1:1/", "http://[::1]:9/",
		prefix + strings.Repeat("a", redirect.MaxBytes-len(prefix)),
	} {
		require.NoError(t, redirect.Check(url), url)
	}
	for _, url := range []string{
		"", "bank.example", "/3ds", "//bank.example/3ds", "https:", "https://", "https:///x", "https:bank.example",
		"http://bank.example/", "http://localhost.bank.example/", "http://10.0.0.1/", "ftp://bank.example/",
		"javascript:alert(1)", "data:text/html,x", "https://user:secret@bank.example/", "https://bank.example@other.example/",
		"https://bank.example/a b", "https://bank.example/\n", "https://bank.example/\x00", "https://bänk.example/", "https://%zz/",
		prefix + strings.Repeat("a", redirect.MaxBytes-len(prefix)+1),
	} {
		require.Error(t, redirect.Check(url), "%q", url)
	}
}
