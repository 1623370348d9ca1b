package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	keyOfShop  = "pk-shop-0123456789abcdef"
	keyOfOther = "pk-other-0123456789abcde"
)

func TestOnlyAKnownKeyOpens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers []string
		opens   bool
	}{
		"none":                 {nil, false},
		"the first":            {[]string{"Authorization: Bearer " + keyOfShop}, true},
		"the second":           {[]string{"Authorization: Bearer " + keyOfOther}, true},
		"scheme in lower case": {[]string{"Authorization: bearer " + keyOfShop}, true},
		"more than one space":  {[]string{"Authorization: Bearer   " + keyOfShop}, true},
		"a beginning of it":    {[]string{"Authorization: Bearer " + keyOfShop[:20]}, false},
		"more than it":         {[]string{"Authorization: Bearer " + keyOfShop + "0"}, false},
		"in another case":      {[]string{"Authorization: Bearer PK-SHOP-0123456789ABCDEF"}, false},
		"empty":                {[]string{"Authorization: Bearer "}, false},
		"without a scheme":     {[]string{"Authorization: " + keyOfShop}, false},
		"of another scheme":    {[]string{"Authorization: Basic " + keyOfShop}, false},
		"both at once":         {[]string{"Authorization: Bearer " + keyOfShop + "," + keyOfOther}, false},
		"given twice": {[]string{
			"Authorization: Bearer " + keyOfShop, "Authorization: Bearer " + keyOfShop,
		}, false},
		"in another header": {[]string{"X-Api-Key: " + keyOfShop}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.APIKeys = []string{keyOfShop, keyOfOther}
			p := answering(approved)
			s := serveWith(t, p, o)

			a := s.post(oneRequest, test.headers...)

			if test.opens {
				require.Equal(t, http.StatusOK, a.status)
				return
			}
			require.Equal(t, http.StatusUnauthorized, a.status)
			require.Equal(t, `Bearer realm="paymentd"`, a.header.Get("WWW-Authenticate"))
			require.Contains(t, a.sentence(t), "Authorization: Bearer KEY")
			p.requireUntouched(t)
		})
	}
}

func TestKeysGuardPaymentsAndNotTheProbes(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.APIKeys = []string{keyOfShop}
	p := answering(approved)
	s := serveWith(t, p, o)

	require.Equal(t, http.StatusUnauthorized, s.get("/payments").status)
	require.Equal(t, http.StatusUnauthorized, s.get("/payments/order-123").status)
	p.requireUntouched(t)
	require.Equal(t, http.StatusOK, s.get("/healthz").status)
	require.Equal(t, http.StatusOK, s.get("/readyz").status)
	require.Equal(t, http.StatusOK, s.get("/payments", "Authorization: Bearer "+keyOfShop).status)
}

func TestNoKeyIsEverLogged(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.APIKeys = []string{keyOfShop}
	s := serveWith(t, answering(approved), o)

	s.post(oneRequest, "Authorization: Bearer "+keyOfShop)
	s.post(oneRequest, "Authorization: Bearer "+keyOfOther)
	s.stop()

	require.Len(t, s.log.entries(t), 2)
	require.NotContains(t, s.log.lines.String(), keyOfShop)
	require.NotContains(t, s.log.lines.String(), keyOfOther)
}
