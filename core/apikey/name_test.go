package apikey_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/apikey"
)

func TestParseName_ByForm(t *testing.T) {
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
