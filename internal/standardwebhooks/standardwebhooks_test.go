package standardwebhooks_test

import (
	"encoding/base64"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/internal/standardwebhooks"
)

// The example of the specification's reference libraries (libraries/python/tests/test_webhooks.py and others).
func TestVerify_ReferenceVector(t *testing.T) {
	t.Parallel()
	secret, err := standardwebhooks.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	body := []byte(`{"test": 2432232314}`)
	at := time.Unix(1614265330, 0)
	h := http.Header{}
	secret.Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", h.Get("webhook-signature"))
	id, err := standardwebhooks.Verify([]standardwebhooks.Secret{secret}, h, body, at)
	require.NoError(t, err)
	require.Equal(t, "msg_p5jXN8AQM9LWM0D4loKWxJek", id)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	body := []byte(`{"type":"charge.succeeded"}`)
	ours, other := secretOf(t, 'a'), secretOf(t, 'b')
	at := func(offset time.Duration) http.Header {
		h := http.Header{}
		ours.Sign(h, "evt-1", now.Add(offset), body)
		return h
	}
	with := func(name string, values ...string) http.Header {
		h := maps.Clone(at(0))
		h[http.CanonicalHeaderKey(name)] = values
		return h
	}
	signature := at(0).Get("webhook-signature")
	foreign := http.Header{}
	other.Sign(foreign, "evt-1", now, body)
	none := signature
	for name, tt := range map[string]struct {
		header http.Header
		want   error
	}{
		"now":                {at(0), nil},
		"5 minutes ago":      {at(-5 * time.Minute), nil},
		"in 5 minutes":       {at(5 * time.Minute), nil},
		"too old":            {at(-5*time.Minute - time.Second), standardwebhooks.ErrTime},
		"of the future":      {at(5*time.Minute + time.Second), standardwebhooks.ErrTime},
		"in 300 years":       {at(290 * 365 * 24 * time.Hour), standardwebhooks.ErrTime},
		"several signatures": {with("webhook-signature", "v1,AAAA v1a,x "+foreign.Get("webhook-signature")+" "+signature), nil},
		"another version":    {with("webhook-signature", strings.Replace(none, "v1,", "v2,", 1)), standardwebhooks.ErrUnsigned},
		"another secret":     {foreign, standardwebhooks.ErrUnsigned},
		"no base64":          {with("webhook-signature", "v1,%%%"), standardwebhooks.ErrUnsigned},
		"a part":             {with("webhook-signature", signature[:20]), standardwebhooks.ErrUnsigned},
		"too many":           {with("webhook-signature", strings.Repeat("v1,AAAA ", 16)+signature), standardwebhooks.ErrUnsigned},
		"no signature":       {with("webhook-signature"), standardwebhooks.ErrUnsigned},
		"empty signature":    {with("webhook-signature", ""), standardwebhooks.ErrUnsigned},
		"repeated header":    {with("webhook-signature", signature, signature), standardwebhooks.ErrUnsigned},
		"another id":         {with("webhook-id", "evt-2"), standardwebhooks.ErrUnsigned},
		"no id":              {with("webhook-id"), standardwebhooks.ErrUnsigned},
		"another time":       {with("webhook-timestamp", strconv.FormatInt(now.Unix()+1, 10)), standardwebhooks.ErrUnsigned},
		"no time":            {with("webhook-timestamp"), standardwebhooks.ErrUnsigned},
		"a time with a zero": {with("webhook-timestamp", "0"+at(0).Get("webhook-timestamp")), standardwebhooks.ErrUnsigned},
		"no headers":         {http.Header{}, standardwebhooks.ErrUnsigned},
	} {
		id, err := standardwebhooks.Verify([]standardwebhooks.Secret{secretOf(t, 'c'), ours}, tt.header, body, now)
		require.ErrorIs(t, err, tt.want, name)
		if tt.want == nil {
			require.Equal(t, "evt-1", id, name)
		}
	}
	_, err := standardwebhooks.Verify([]standardwebhooks.Secret{ours}, at(0), append(body, '\n'), now)
	require.ErrorIs(t, err, standardwebhooks.ErrUnsigned, "the raw body is signed")
	_, err = standardwebhooks.Verify(nil, at(0), body, now)
	require.ErrorIs(t, err, standardwebhooks.ErrUnsigned)
}

// An id that cannot be logged is refused even if it is signed.
func TestVerify_UnusableID(t *testing.T) {
	t.Parallel()
	secret, now := secretOf(t, 'a'), time.Unix(1614265330, 0)
	for _, id := range []string{"", "a b", "a\tb", "ä", strings.Repeat("x", 256)} {
		h := http.Header{}
		secret.Sign(h, id, now, nil)
		_, err := standardwebhooks.Verify([]standardwebhooks.Secret{secret}, h, nil, now)
		require.ErrorIs(t, err, standardwebhooks.ErrUnsigned, id)
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, ok := range map[string]bool{
		of(24): true, of(32): true, of(64): true, of(23): false, of(65): false,
		"": false, "whsec_": false, "whsec_%%%%": false, strings.TrimPrefix(of(32), "whsec_"): false, of(32) + " ": false,
	} {
		_, err := standardwebhooks.ParseSecret(text)
		require.Equal(t, ok, err == nil, text)
		if err != nil && len(text) > 10 {
			require.NotContains(t, err.Error(), text[6:])
		}
	}
}

func secretOf(t *testing.T, fill byte) standardwebhooks.Secret {
	t.Helper()
	s, err := standardwebhooks.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), 32))))
	require.NoError(t, err)
	return s
}
