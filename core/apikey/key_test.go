package apikey_test

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
)

func TestNew_KeysHaveTheDocumentedForm(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^paymentd_[0-9A-Za-z]{49}$`) // as a secret scanner has it
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

func TestHashOf_AnyLength(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 58, 127, 128, 129, 5000} {
		text := strings.Repeat("x", n)
		want := apikey.Hash(sha256.Sum256([]byte(text)))
		require.Equal(t, want, apikey.HashOf(text))
		require.True(t, want.Equal(apikey.HashOf(text)))
		require.False(t, want.Equal(apikey.HashOf(text+"x")))
	}
}

func TestStatic_AllowsEverything(t *testing.T) {
	t.Parallel()
	key := apikey.Static("a-key-of-the-configuration")
	require.Regexp(t, `^static-[0-9a-f]{12}$`, string(key.ID))
	require.True(t, key.Scopes.Allow(apikey.ScopePay))
	require.Empty(t, key.Name)
}
