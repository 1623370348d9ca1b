package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	responseLimit = time.Minute
	errorPause    = 10 * time.Millisecond // of a client after an error
	amount        = "100.00"              // not one of the amounts that make the sandbox misbehave
	amountMinor   = 100_00
)

// payer pays orders for a number of clients.
type payer interface {
	// pay pays an order for one of the clients. Each client has one payment at a time.
	pay(ctx context.Context, client int, order string) error
	// close is called when no payment is in flight.
	close()
}

// outcome is what the clients received.
type outcome struct {
	took    []time.Duration // of successful payments in the measured time
	seconds float64         // the measured time
	paid    int             // successful payments, also outside of the measured time
	errors  int
	err     error // the first error
}

// sample is one payment.
type sample struct {
	ended time.Time
	took  time.Duration
	err   error
}

// closedLoop lets clients pay one order after the other while window runs. Its payments in the
// measured time are those that end between the two times that window returns.
func closedLoop(ctx context.Context, p payer, clients int, order func() string, window func() (from, to time.Time)) outcome {
	loop, stop := context.WithCancel(ctx)
	defer stop()
	samples := make([][]sample, clients)
	var all sync.WaitGroup
	for i := range samples {
		all.Go(func() {
			for loop.Err() == nil {
				s := payOnce(ctx, p, i, order())
				samples[i] = append(samples[i], s)
				if s.err != nil {
					_ = sleep(loop, errorPause)
				}
			}
		})
	}
	from, to := window()
	stop()
	all.Wait()
	return gather(samples, from, to)
}

// burst pays one order per client, all at the same moment, and returns when all have a response.
func burst(ctx context.Context, p payer, clients int, order func() string) outcome {
	samples := make([][]sample, clients)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range samples {
		all.Go(func() {
			<-start
			samples[i] = []sample{payOnce(ctx, p, i, order())}
		})
	}
	began := time.Now()
	close(start)
	all.Wait()
	return gather(samples, began, time.Now())
}

func payOnce(ctx context.Context, p payer, client int, order string) sample {
	began := time.Now()
	err := p.pay(ctx, client, order)
	ended := time.Now()
	return sample{ended: ended, took: ended.Sub(began), err: err}
}

func gather(samples [][]sample, from, to time.Time) outcome {
	o := outcome{seconds: to.Sub(from).Seconds()}
	for _, client := range samples {
		for _, s := range client {
			if s.err != nil {
				o.errors++
				if o.err == nil {
					o.err = s.err
				}
				continue
			}
			o.paid++
			if s.ended.After(from) && !s.ended.After(to) {
				o.took = append(o.took, s.took)
			}
		}
	}
	return o
}

// sleep waits until the time has passed or ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// httpPayer pays by POST /payments/process. It reuses requests and responses, because it shares the
// processors with what it measures.
type httpPayer struct {
	url       string
	client    *fasthttp.HostClient
	requests  []fasthttp.Request
	responses []fasthttp.Response
}

// newHTTPPayer returns a payer that sends the API key, unless it is empty.
func newHTTPPayer(url, apiKey string, clients int) *httpPayer {
	p := &httpPayer{
		url: url,
		client: &fasthttp.HostClient{
			Addr: strings.TrimPrefix(url, "http://"), MaxConns: clients,
			ReadTimeout: responseLimit, WriteTimeout: responseLimit,
			MaxIdemponentCallAttempts: 1, NoDefaultUserAgentHeader: true,
			DisableHeaderNamesNormalizing: true, DisablePathNormalizing: true,
		},
		requests: make([]fasthttp.Request, clients), responses: make([]fasthttp.Response, clients),
	}
	for i := range p.requests {
		p.requests[i].Header.SetMethod(fasthttp.MethodPost)
		p.requests[i].Header.SetContentType("application/json")
		if apiKey != "" {
			p.requests[i].Header.Set("Authorization", "Bearer "+apiKey)
		}
	}
	return p
}

func (p *httpPayer) pay(_ context.Context, client int, order string) error {
	return p.process(client, order, "")
}

// process pays with further members of the body, which begin with a comma.
func (p *httpPayer) process(client int, order, members string) error {
	body := p.requests[client].Body()[:0]
	body = append(body, `{"order_id":`...)
	body = strconv.AppendQuote(body, order)
	body = append(body, `,"amount":`+amount+members+`}`...)
	return p.post(client, "/payments/process", body)
}

// post sends a body, and expects a success.
func (p *httpPayer) post(client int, path string, body []byte) error {
	request, response := &p.requests[client], &p.responses[client]
	request.SetRequestURI(p.url + path)
	request.SetBodyRaw(body)
	if err := p.client.Do(request, response); err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	if response.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("the service returned %d %s", response.StatusCode(), response.Body())
	}
	return nil
}

func (p *httpPayer) close() { p.client.CloseIdleConnections() }
