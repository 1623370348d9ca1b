package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core"
	"paymentd/ports"
)

// The response has only the kind of the reason; the reason itself is logged once.
func TestReady_NotReady_HasAReasonAndOneLogLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		says  string
		level string
	}{
		"stopping":    {core.ErrStopping, "the service is stopping", "INFO"},
		"away":        {fmt.Errorf("%w: dial db.internal", ports.ErrUnavailable), "the database cannot be reached", "WARN"},
		"no writes":   {fmt.Errorf("%w: full: db.internal", ports.ErrNotWritable), "the database accepts no writes", "WARN"},
		"of old age":  {errors.New("schema is of version 3 on db.internal"), "has another version", "WARN"},
		"both errors": {errors.Join(ports.ErrUnavailable, ports.ErrNotWritable), "accepts no writes", "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.err
			s := serve(t, &processor{ready: func(context.Context) error { return err }})
			for range 5 {
				answer := s.get("/readyz")
				require.Equal(t, http.StatusServiceUnavailable, answer.status)
				require.NotEmpty(t, answer.header.Get("Retry-After"))
				require.Contains(t, answer.body, test.says)
				require.NotContains(t, answer.body, "db.internal")
			}
			err = nil
			for range 5 {
				require.Equal(t, http.StatusOK, s.get("/readyz").status)
			}
			s.stop()
			var said []string
			for _, line := range s.log.entries(t) {
				switch line["msg"] {
				case "request":
					require.Equal(t, "DEBUG", line["level"])
				case "not ready":
					require.Equal(t, test.level, line["level"])
					require.Equal(t, test.err.Error(), line["error"])
					said = append(said, "not ready")
				case "ready again":
					require.NotEmpty(t, line["outage"])
					said = append(said, "ready again")
				}
			}
			require.Equal(t, []string{"not ready", "ready again"}, said)
		})
	}
}
