package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// answerLimit bounds the wait for an answer, far above what any takes.
const answerLimit = time.Minute

// amount of every payment. It is none of those that make the sandbox misbehave.
const amount = "100.00"

// httpPayer pays by POST /payments/process. It shares the processors with what it measures, so
// it does as little as possible: requests and answers are used again and again.
type httpPayer struct {
	client   *fasthttp.HostClient
	requests []fasthttp.Request
	answers  []fasthttp.Response
}

func newHTTPPayer(url string, clients int) *httpPayer {
	p := &httpPayer{
		client: &fasthttp.HostClient{
			Addr: strings.TrimPrefix(url, "http://"), MaxConns: clients,
			ReadTimeout: answerLimit, WriteTimeout: answerLimit,
			MaxIdemponentCallAttempts: 1, NoDefaultUserAgentHeader: true,
			DisableHeaderNamesNormalizing: true, DisablePathNormalizing: true,
		},
		requests: make([]fasthttp.Request, clients), answers: make([]fasthttp.Response, clients),
	}
	for i := range p.requests {
		p.requests[i].Header.SetMethod(fasthttp.MethodPost)
		p.requests[i].Header.SetContentType("application/json")
		p.requests[i].SetRequestURI(url + "/payments/process")
	}
	return p
}

// show has every request show an API key.
func (p *httpPayer) show(key string) {
	for i := range p.requests {
		p.requests[i].Header.Set("Authorization", "Bearer "+key)
	}
}

func (p *httpPayer) pay(_ context.Context, client int, order string) error {
	request, answer := &p.requests[client], &p.answers[client]
	body := request.Body()[:0]
	body = append(body, `{"order_id":`...)
	body = strconv.AppendQuote(body, order)
	body = append(body, `,"amount":`+amount+`}`...)
	request.SetBodyRaw(body)
	if err := p.client.Do(request, answer); err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	if answer.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("the service answers %d %s", answer.StatusCode(), answer.Body())
	}
	return nil
}

// hangUp does nothing: what was accepted is paid.
func (p *httpPayer) hangUp() {}

func (p *httpPayer) close() error {
	p.client.CloseIdleConnections()
	return nil
}
