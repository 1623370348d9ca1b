package payment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestCheckRedirectURL_AcceptsWhatACustomerCanOpen(t *testing.T) {
	t.Parallel()
	const prefix = "https://bank.example/"
	for _, url := range []string{
		"https://bank.example", "https://bank.example/3ds?id=7&a=%20#x", "https://bank.example:8443/", "HTTPS://bank.example/",
		"https://[2001:db8::1]/", "http://localhost:3001/redirect/k", "http://127.0.0.1/", "http://127.8.9.1:1/", "http://[::1]:9/",
		prefix + strings.Repeat("a", payment.MaxURLBytes-len(prefix)),
	} {
		require.NoError(t, payment.CheckRedirectURL(url), url)
	}
	for _, url := range []string{
		"", "bank.example", "/3ds", "//bank.example/3ds", "https:", "https://", "https:///x", "https:bank.example",
		"http://bank.example/", "http://localhost.bank.example/", "http://10.0.0.1/", "ftp://bank.example/",
		"javascript:alert(1)", "data:text/html,x", "https://user:secret@bank.example/", "https://bank.example@other.example/",
		"https://bank.example/a b", "https://bank.example/\n", "https://bank.example/\x00", "https://bänk.example/", "https://%zz/",
		prefix + strings.Repeat("a", payment.MaxURLBytes-len(prefix)+1),
	} {
		require.Error(t, payment.CheckRedirectURL(url), "%q", url)
	}
}

func TestSanitized_DropsAURLThatACustomerCannotOpen(t *testing.T) {
	t.Parallel()
	const usable, other = "https://bank.example/3ds", "javascript:alert(1)"
	for url, want := range map[string]string{usable: usable, other: ""} {
		require.Equal(t, want, payment.Result{Class: payment.ClassPending, RedirectURL: url}.Sanitized().RedirectURL)
		require.Equal(t, want, payment.Lookup{Result: payment.FoundPending, RedirectURL: url}.Sanitized().RedirectURL)
	}
	require.Empty(t, payment.Result{Class: payment.ClassDeclined, RedirectURL: usable}.Sanitized().RedirectURL)
	require.Empty(t, payment.Lookup{Result: payment.FoundNothing, RedirectURL: usable}.Sanitized().RedirectURL)
}
