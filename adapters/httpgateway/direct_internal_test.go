package httpgateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestIdleConnectionsAreClosed: those that nobody needs are closed after a while, and no more are
// kept than the option says.
func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most, atOnce = 2, 3
		var open atomic.Int64
		d := newDirect(&url.URL{Host: "gateway.example"}, time.Minute, most)
		d.dial = func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			open.Add(1)
			go func() {
				defer open.Add(-1)
				for r := bufio.NewReader(theirs); ; {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					time.Sleep(time.Second)
					_, _ = io.WriteString(theirs, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			}()
			return ours, nil
		}
		for range atOnce {
			go ask(t, d)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.EqualValues(t, most, open.Load())

		time.Sleep(idleTimeout / 2)
		ask(t, d)
		require.EqualValues(t, most, open.Load(), "one of those that are there")
		time.Sleep(idleTimeout - 2*time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, open.Load(), "the one that was used")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Zero(t, open.Load())
	})
}

// TestClosedDuringAnExchange: the connection that it is made on is not kept.
func TestClosedDuringAnExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(&url.URL{Host: "gateway.example"}, time.Minute, 1)
		ours, theirs := net.Pipe()
		d.dial = func(context.Context) (net.Conn, error) { return ours, nil }
		go ask(t, d)
		r := bufio.NewReader(theirs)
		_, err := http.ReadRequest(r)
		require.NoError(t, err)
		d.close()
		_, err = io.WriteString(theirs, "HTTP/1.1 204 No Content\r\n\r\n")
		require.NoError(t, err)
		began := time.Now()
		_, err = r.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, time.Since(began))
	})
}

// ask makes an exchange that is answered.
func ask(t *testing.T, d *direct) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway.example/", http.NoBody)
	if err != nil {
		t.Error(err)
		return
	}
	if _, lost := d.exchange(req); lost != nil {
		t.Error(lost)
	}
}
