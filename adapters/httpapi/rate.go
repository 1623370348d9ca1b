package httpapi

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxRequestsOfRate bounds a rate. A limit of more requests per second has no use.
const maxRequestsOfRate = 1_000_000

// Rate is how many requests a client may send: Requests at once, and as many again over each Window,
// evenly. 100/s and 6000/m therefore admit the same in the long run, but the second a longer burst.
// The zero value means no limit.
type Rate struct {
	Requests int
	Window   time.Duration // whole seconds
}

// interval is the time in which the quota grows by one request.
func (r Rate) interval() time.Duration { return r.Window / time.Duration(r.Requests) }

// windows are the units in which a rate is written.
var windows = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// ParseRate parses a rate such as 100/s, 6000/m or 20/h. An empty text means no limit.
func ParseRate(text string) (Rate, error) {
	if text == "" {
		return Rate{}, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	requests, err := strconv.ParseUint(number, 10, 32)
	window, known := windows[unit]
	if err != nil || !known || requests == 0 || requests > maxRequestsOfRate {
		return Rate{}, errors.New("a rate is a number of requests from 1 to 1000000, a slash, and s, m or h")
	}
	return Rate{Requests: int(requests), Window: window}, nil
}
