package apikey_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
)

func TestParseScopes_ByText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"pay": "pay", "read,pay": "pay,read", "admin , read": "read,admin", "pay,pay": "pay", "pay,": "pay",
		"refund": "refund", "capture": "capture", "admin,read,refund,capture,pay": "pay,capture,refund,read,admin",
	} {
		scopes, err := apikey.ParseScopes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, scopes.String())
		require.Equal(t, scopes, apikey.ReadScopes(want))
	}
	for text, says := range map[string]string{
		"": "must be one or more of pay,capture,refund,read,admin", ",": "must be one or more of pay,capture,refund,read,admin",
		"pay,write": `must be scopes among pay,capture,refund,read,admin, separated by commas; "write" is not one`,
		"Pay":       `"Pay" is not one`, "pay read": `"pay read" is not one`,
	} {
		_, err := apikey.ParseScopes(text)
		require.ErrorContains(t, err, says, text)
	}
}

func TestScopes_Allow(t *testing.T) {
	t.Parallel()
	pay, refund, read, admin := apikey.ScopePay, apikey.ScopeRefund, apikey.ScopeRead, apikey.ScopeAdmin
	for _, test := range []struct {
		scopes apikey.Scopes
		anyOf  []apikey.Scope
		want   bool
	}{
		{nil, []apikey.Scope{pay}, false},
		{apikey.Scopes{pay}, []apikey.Scope{pay}, true},
		{apikey.Scopes{pay}, []apikey.Scope{read}, false},
		{apikey.Scopes{pay}, []apikey.Scope{read, pay}, true},
		{apikey.Scopes{read}, []apikey.Scope{pay}, false},
		{apikey.Scopes{pay, read}, []apikey.Scope{read}, true},
		{apikey.Scopes{pay, read}, []apikey.Scope{admin}, false},
		{apikey.Scopes{admin}, []apikey.Scope{pay}, true},
		{apikey.Scopes{admin}, nil, true},
		{apikey.Scopes{pay}, []apikey.Scope{refund}, false},
		{apikey.Scopes{refund}, []apikey.Scope{refund}, true},
		{apikey.Scopes{refund}, []apikey.Scope{pay, read, admin}, false},
		{apikey.Scopes{admin}, []apikey.Scope{refund}, true},
		{apikey.Scopes{refund, pay, read}, []apikey.Scope{apikey.ScopeCapture}, false},
		{apikey.Scopes{apikey.ScopeCapture}, []apikey.Scope{apikey.ScopeCapture}, true},
		{apikey.ReadScopes("later"), []apikey.Scope{pay, refund, read, admin}, false},
	} {
		require.Equal(t, test.want, test.scopes.Allow(test.anyOf...), "%v for %v", test.scopes, test.anyOf)
	}
}
