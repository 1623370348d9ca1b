package apikey_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
)

func TestNewKeys(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^paymentd_[0-9A-Za-z]{49}$`) // as a secret scanner would have it
	seen := make(map[string]bool)
	for range 1000 {
		key, secret := apikey.New("shop", apikey.Scopes{apikey.ScopePay})
		text := secret.Reveal()
		require.Regexp(t, form, text)
		require.False(t, seen[text])
		seen[text] = true
		require.NoError(t, apikey.Check(text))
		require.Equal(t, apikey.HashOf(text), key.Hash)
		require.Regexp(t, `^[0-9a-f]{12}$`, string(key.ID))
		require.Equal(t, hex.EncodeToString(key.Hash[:6]), string(key.ID))
		require.True(t, key.Active())
	}
}

// TestEveryBitOfAKeyIsRandom draws keys until each of the 43 digits has been many things.
func TestEveryBitOfAKeyIsRandom(t *testing.T) {
	t.Parallel()
	digits := make([]map[byte]bool, 43)
	for range 1000 {
		_, secret := apikey.New("shop", nil)
		for i, digit := range []byte(secret.Reveal()[len("paymentd_"):][:43]) {
			if digits[i] == nil {
				digits[i] = make(map[byte]bool)
			}
			digits[i][digit] = true
		}
	}
	for i, seen := range digits[1:] {
		require.Greater(t, len(seen), 55, "of 62, at %d", i+1)
	}
	require.Greater(t, len(digits[0]), 50, "62 to the 43rd is a little more than 2 to the 256th")
}

func TestSecretsDoNotPrintThemselves(t *testing.T) {
	t.Parallel()
	key, secret := apikey.New("shop", nil)
	require.NotContains(t, fmt.Sprintf("%v %+v %s", secret, key, secret), secret.Reveal()[len("paymentd_"):])
}

func TestCheck(t *testing.T) {
	t.Parallel()
	// Drawn once, so that the form can never change unseen.
	const old = "paymentd_PzaQ1nIwBGMKoZHq6v1xa7pSWObZye1lsyR2KcTdxUY06N37e"
	_, secret := apikey.New("shop", nil)
	text := secret.Reveal()
	other := byte('a')
	if text[20] == other {
		other = 'b'
	}
	for text, want := range map[string]error{
		text:                                  nil,
		text[:20] + string(other) + text[21:]: apikey.ErrMistyped,
		text[:len(text)-1]:                    apikey.ErrMistyped,
		text + "0":                            apikey.ErrMistyped,
		text[:30]:                             apikey.ErrMistyped,
		"paymentd_":                           apikey.ErrMistyped,
		"paymentd_" + strings.Repeat("é", 25): apikey.ErrMistyped,
		old:                                   nil,
		"":                                    apikey.ErrUnknown,
		"paymentd":                            apikey.ErrUnknown,
		"Paymentd_" + text[9:]:                apikey.ErrUnknown,
		text[9:]:                              apikey.ErrUnknown,
		"a-key-of-the-configuration":          apikey.ErrUnknown,
	} {
		require.ErrorIs(t, apikey.Check(text), want, text)
	}
}

func TestHashOfAnyLength(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 58, 127, 128, 129, 5000} {
		text := strings.Repeat("x", n)
		want := apikey.Hash(sha256.Sum256([]byte(text)))
		require.Equal(t, want, apikey.HashOf(text))
		require.True(t, want.Equal(apikey.HashOf(text)))
		require.False(t, want.Equal(apikey.HashOf(text+"x")))
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, right := range []string{"a", "shop", "Shop-2_eu.west", strings.Repeat("x", 64), "0123456789a", "0123456789abc", "0123456789ag"} {
		name, err := apikey.ParseName(right)
		require.NoError(t, err, right)
		require.Equal(t, apikey.Name(right), name)
	}
	for wrong, says := range map[string]string{
		"": "must not be empty", " ": "letters", "a b": "letters", "a,b": "letters", "é": "letters", "a\n": "letters",
		strings.Repeat("x", 65): "at most 64", "0123456789ab": "must not look like the id", "ABCDEF012345": "must not look like the id",
	} {
		_, err := apikey.ParseName(wrong)
		require.ErrorContains(t, err, says, wrong)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"pay": "pay", "read,pay": "pay,read", "admin , read": "read,admin", "pay,pay": "pay", "pay,": "pay",
	} {
		scopes, err := apikey.ParseScopes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, scopes.String())
		require.Equal(t, scopes, apikey.ReadScopes(want))
	}
	for text, says := range map[string]string{
		"": "must be one or more of pay,read,admin", ",": "must be one or more of pay,read,admin",
		"pay,write": `must be some of pay,read,admin, separated by commas, and "write" is none`,
		"Pay":       `"Pay" is none`, "pay read": `"pay read" is none`,
	} {
		_, err := apikey.ParseScopes(text)
		require.ErrorContains(t, err, says, text)
	}
}

func TestWhatScopesAllow(t *testing.T) {
	t.Parallel()
	pay, read, admin := apikey.ScopePay, apikey.ScopeRead, apikey.ScopeAdmin
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
		{apikey.ReadScopes("refund"), []apikey.Scope{pay, read, admin}, false},
	} {
		require.Equal(t, test.want, test.scopes.Allow(test.anyOf...), "%v for %v", test.scopes, test.anyOf)
	}
}

func TestStaticKeys(t *testing.T) {
	t.Parallel()
	key := apikey.Static("a-key-of-the-configuration")
	require.Regexp(t, `^static-[0-9a-f]{12}$`, string(key.ID))
	require.True(t, key.Scopes.Allow(apikey.ScopePay))
	require.Empty(t, key.Name)
}
