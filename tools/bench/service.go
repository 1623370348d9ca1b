package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	responseLimit = time.Minute
	amount        = "100.00" // not one of the amounts that make the sandbox misbehave
	amountMinor   = 100_00
)

// httpPayer pays by POST /payments/process. It reuses requests and responses, because it shares the
// processors with what it measures.
type httpPayer struct {
	client    *fasthttp.HostClient
	requests  []fasthttp.Request
	responses []fasthttp.Response
}

// newHTTPPayer returns a payer that sends the API key, unless it is empty.
func newHTTPPayer(url, apiKey string, clients int) *httpPayer {
	p := &httpPayer{
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
		p.requests[i].SetRequestURI(url + "/payments/process")
		if apiKey != "" {
			p.requests[i].Header.Set("Authorization", "Bearer "+apiKey)
		}
	}
	return p
}

func (p *httpPayer) pay(_ context.Context, client int, order string) error {
	request, response := &p.requests[client], &p.responses[client]
	body := request.Body()[:0]
	body = append(body, `{"order_id":`...)
	body = strconv.AppendQuote(body, order)
	body = append(body, `,"amount":`+amount+`}`...)
	request.SetBodyRaw(body)
	if err := p.client.Do(request, response); err != nil {
		return fmt.Errorf("send a payment: %w", err)
	}
	if response.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("the service returned %d %s", response.StatusCode(), response.Body())
	}
	return nil
}

// abort does nothing: the service finishes the payments that it has accepted.
func (p *httpPayer) abort() {}

func (p *httpPayer) close() error {
	p.client.CloseIdleConnections()
	return nil
}
