package httpapi

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxRequestsOfRate bounds a rate: more than this many requests a second are none that are counted.
const maxRequestsOfRate = 1_000_000

// Rate is how often somebody may ask: that many requests at once, and as many again over each
// window, evenly. So 100/s and 6000/m allow the same in the long run, and the second one a longer
// rush. The zero value is no limit.
type Rate struct {
	Requests int
	Window   time.Duration // whole seconds
}

// windows are the units in which a rate is written.
var windows = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// ParseRate reads a rate such as 100/s, 6000/m or 20/h. An empty text is no limit.
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
