package console

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
)

func TestLimiter_AdmitsSomeAtOnceAndThenEvenly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(60, 3)
		one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		for range 3 {
			refused, _ := l.take(one)
			require.False(t, refused)
		}
		refused, wait := l.take(one)
		require.True(t, refused)
		require.Equal(t, time.Second, wait)
		refused, _ = l.take(other)
		require.False(t, refused, "each address has its own limit")
		time.Sleep(wait)
		refused, _ = l.take(one)
		require.False(t, refused)
	})
}

// A caller without a key cannot make the database look for sessions without a limit: it is refused before that.
func TestPages_RequestsOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddr("192.0.2.1")
	c := &Console{
		visits: newLimiter(1, 1), slots: make(chan struct{}, 1),
		options: Options{Keys: new(someKeys), AcceptHost: func(*http.Request) bool { return true }, ClientOf: func(*http.Request) netip.Addr { return client }},
	}
	c.visits.take(client)
	for name, serve := range map[string]echo.HandlerFunc{"a page": c.visitor(nil), "a stream": c.stream} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Root, nil)
		require.NoError(t, serve(echo.New().NewContext(request, recorder)), name)
		require.Equal(t, http.StatusTooManyRequests, recorder.Code, name)
		require.NotEmpty(t, recorder.Header().Get("Retry-After"), name)
	}
}
