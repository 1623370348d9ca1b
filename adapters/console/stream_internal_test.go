package console

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/apikey"
)

// someKeys are keys that can be revoked. If there is none, none is required.
type someKeys struct {
	mu  sync.Mutex
	key *apikey.Key
}

func (k *someKeys) Check(string) (*apikey.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		return &apikey.Key{}, nil
	}
	return nil, apikey.ErrMissing
}

func (k *someKeys) Find(id apikey.ID) (*apikey.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil || k.key.ID != id {
		return nil, apikey.ErrUnknown
	}
	return k.key, nil
}

func (k *someKeys) set(key *apikey.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key = key
}

// viewer is the connection of someone who watches.
type viewer struct {
	mu        sync.Mutex
	header    http.Header
	status    int
	got       bytes.Buffer
	deadlines []time.Duration // of each write
	done      chan struct{}   // closed when the stream has ended
}

func (v *viewer) Header() http.Header { return v.header }

func (v *viewer) WriteHeader(status int) { v.status = status }

func (v *viewer) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got.Write(b)
}

func (v *viewer) Flush() {}

func (v *viewer) SetWriteDeadline(at time.Time) error {
	v.deadlines = append(v.deadlines, time.Until(at))
	return nil
}

func (v *viewer) text() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got.String()
}

// newWatched returns a console with nothing to do.
func newWatched(keys Keys) *Console {
	return New(nil, Options{
		Keys: keys, AcceptHost: func(*http.Request) bool { return true },
		ClientOf: func(*http.Request) netip.Addr { return netip.Addr{} }, Log: slog.New(slog.DiscardHandler),
		Watched: Watched{
			Work: fake.NewPayments(), Traffic: NewTraffic(),
			Gateways: func() []GatewayStatus { return nil },
			Replicas: func() []core.ReplicaStatus { return []core.ReplicaStatus{{Name: "replica-a", Self: true}} },
		},
	})
}

// watch opens a stream.
func watch(ctx context.Context, c *Console) *viewer {
	v := &viewer{header: make(http.Header), done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, Root+"/now/stream", http.NoBody)
	go func() {
		defer close(v.done)
		_ = c.stream(echo.New().NewContext(r, v))
	}()
	synctest.Wait()
	return v
}

func TestStream_SendsUpdates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		c := newWatched(&someKeys{})
		v := watch(ctx, c)
		require.Equal(t, "text/event-stream", v.header.Get("Content-Type"))
		require.Equal(t, http.StatusOK, v.status)
		time.Sleep(3*liveEvery + time.Millisecond)
		synctest.Wait()
		messages := strings.Split(strings.TrimSuffix(v.text(), "\n\n"), "\n\n")
		require.Len(t, messages, 4, "the comment and three updates")
		for _, m := range messages[1:] {
			require.Contains(t, m, "replica-a")
			for line := range strings.Lines(m) {
				require.Truef(t, strings.HasPrefix(line, "data: "), "a line is %q", line)
			}
		}
		for _, d := range v.deadlines {
			require.Equal(t, streamWrite, d, "a write is bounded, and not by the deadline of the whole response")
		}
		leave()
		<-v.done
		time.Sleep(2 * liveEvery)
	})
}

func TestStream_Stops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newWatched(&someKeys{})
		v := watch(t.Context(), c)
		c.Close()
		synctest.Wait()
		<-v.done
		require.NotContains(t, v.text(), "event: end", "the page reconnects")

		late := watch(t.Context(), c)
		<-late.done
		require.Equal(t, http.StatusServiceUnavailable, late.status)
	})
}

func TestStream_Lifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := watch(t.Context(), newWatched(&someKeys{}))
		time.Sleep(streamLifetime - time.Second)
		select {
		case <-v.done:
			t.Fatal("the stream ended too early")
		default:
		}
		time.Sleep(2 * time.Second)
		<-v.done
		time.Sleep(2 * liveEvery)
	})
}

// The stream of a key ends within a second after the key was revoked; that of a console without keys when the first
// key is created.
func TestStream_KeyRevoked_Ends(t *testing.T) {
	t.Parallel()
	key := &apikey.Key{ID: "k-1", Scopes: apikey.Scopes{apikey.ScopeRead}}
	for name, s := range map[string]struct {
		session session
		before  *apikey.Key
		after   *apikey.Key
	}{
		"revoked":       {session{key: key}, key, &apikey.Key{ID: "k-2"}},
		"keys required": {session{open: true}, nil, key},
		"may not read":  {session{key: key}, key, &apikey.Key{ID: "k-1", Scopes: apikey.Scopes{apikey.ScopePay}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				keys := &someKeys{key: s.before}
				c := newWatched(keys)
				updates, leave, ok := c.live.watch()
				require.True(t, ok)
				v := &viewer{header: make(http.Header), done: make(chan struct{})}
				x := echo.New().NewContext(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody), v)
				go func() {
					defer close(v.done)
					_ = c.pump(x, s.session, updates)
				}()
				time.Sleep(2*liveEvery + time.Millisecond)
				synctest.Wait()
				require.NotContains(t, v.text(), "session has ended")
				keys.set(s.after)
				time.Sleep(liveEvery)
				synctest.Wait()
				<-v.done
				require.Contains(t, v.text(), "Your session has ended")
				require.True(t, strings.HasSuffix(v.text(), "event: end\ndata:\n\n"), "the page does not reconnect")
				leave()
				time.Sleep(2 * liveEvery)
			})
		})
	}
}
