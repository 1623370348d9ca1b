package cli

import (
	"bytes"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lines is a log that several goroutines write.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The line of net/http about an unsolicited response has no text of the response.
//
//nolint:paralleltest // it sets the output of the standard logger
func TestStandardLog_UnsolicitedResponse_IsNotQuoted(t *testing.T) {
	var written lines
	logger := slog.New(slog.NewJSONHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
	output, flags := log.Writer(), log.Flags()
	t.Cleanup(func() { log.SetOutput(output); log.SetFlags(flags) })
	log.SetFlags(0)
	log.SetOutput(standardLog{logger})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 503 sesame\r\nContent-Length: 0\r\n\r\n"))
	}()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), nil)
	require.NoError(t, err)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	require.Eventually(t, func() bool { return written.String() != "" }, 10*time.Second, 5*time.Millisecond)
	log.Print("another line")
	require.Contains(t, written.String(), `"level":"DEBUG","msg":"an idle connection received a response`)
	require.Contains(t, written.String(), `"level":"INFO","msg":"another line"`)
	require.Equal(t, 2, strings.Count(written.String(), "\n"))
	require.NotContains(t, written.String(), "sesame")
}
