package apikey_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
)

// Each of the 43 digits takes nearly every value in a thousand keys.
func TestNew_EveryDigitIsRandom(t *testing.T) {
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

func TestSecret_DoesNotPrintItself(t *testing.T) {
	t.Parallel()
	key, secret := apikey.New("shop", nil)
	require.NotContains(t, fmt.Sprintf("%v %+v %s", secret, key, secret), secret.Reveal()[len("paymentd_"):])
}

func TestCheck_ByForm(t *testing.T) {
	t.Parallel()
	// A fixed key, so that a change of the form fails the test.
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
