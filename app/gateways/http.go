package gateways

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
	"paymentd/internal/filewatch"
	"paymentd/internal/standardwebhooks"
)

var urlField = Field{
	Name: "url", Required: true, Allowed: "an http:// or https:// base address",
	Help: "Base address of the gateway: charges go to URL/charges.",
	Set: func(o *Options, text string) error {
		o.Address = text
		g, err := httpgateway.New(text, time.Second)
		if err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), "gateway URL "))
		}
		g.Close()
		return nil
	},
}

var operationsField = Field{
	Name: "operations", Allowed: "a list of capture, void and refund, or []", MaxList: 3,
	Help: "What the gateway can do beside a charge; by default all three. With `[refund]`, a payment with capture manual does not go to " +
		"this gateway; with `[]`, refunds are refused as well.",
	SetList: func(o *Options, texts []string) error {
		known := map[string]payment.Operations{
			"capture": payment.OperationCapture, "void": payment.OperationVoid, "refund": payment.OperationRefund,
		}
		var operations payment.Operations
		for _, text := range texts {
			operation, ok := known[text]
			if !ok {
				return fmt.Errorf("must be a list of capture, void and refund, and has %q", text)
			}
			operations |= operation
		}
		o.Operations = &operations
		return nil
	},
}

var headersField = Field{
	Name: "headers", Allowed: "names and values of headers",
	Help: "Further headers of each request. The gateway protocol's own and Authorization are refused. For secrets, use bearer_file.",
	SetEntry: func(o *Options, name, value string) error {
		if err := httpgateway.CheckHeader(name, value); err != nil {
			return err
		}
		if o.Headers == nil {
			o.Headers = make(map[string]string)
		}
		o.Headers[name] = value
		return nil
	},
}

// isLoopback reports whether the gateway is on this machine, as only those of tests are.
func isLoopback(o Options) bool {
	u, err := url.Parse(o.Address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

type httpGateway struct {
	*httpgateway.Gateway

	secrets *filewatch.Value[[]standardwebhooks.Secret] // of its events; nil if no event is accepted
}

func openHTTP(o Options) (Gateway, error) {
	options := []httpgateway.Option{
		httpgateway.WithConnections(o.Connections), httpgateway.WithID(o.ID),
		httpgateway.WithKeyLifetime(o.KeyLifetime), httpgateway.WithLookupLag(o.LookupLag),
		httpgateway.WithHeaders(o.Headers),
	}
	if o.Operations != nil {
		options = append(options, httpgateway.WithOperations(*o.Operations))
	}
	if o.Header != nil {
		options = append(options, httpgateway.WithHeader(o.Header))
	}
	credentials, err := o.credentials()
	if err != nil {
		return nil, err
	}
	secrets, err := watchSecrets(o, standardSecrets)
	if err != nil {
		return nil, err
	}
	g, err := httpgateway.New(o.Address, o.Timeout, append(options, credentials...)...)
	if err != nil {
		return nil, err
	}
	return httpGateway{g, secrets}, nil
}

// credentials returns the options of the files of secrets. The authorities are read once.
func (o Options) credentials() ([]httpgateway.Option, error) {
	files := o.files()
	var options []httpgateway.Option
	if o.BearerFile != "" {
		token, err := filewatch.Open(files, bearer, o.BearerFile)
		if err != nil {
			return nil, err
		}
		options = append(options, httpgateway.WithBearer(token.Get))
	}
	if (o.ClientCertificate == "") != (o.ClientKey == "") {
		return nil, errors.New("a client certificate and its key go together")
	}
	if o.ClientCertificate != "" {
		certificate, err := filewatch.Open(files, keyPair, o.ClientCertificate, o.ClientKey)
		if err != nil {
			return nil, err
		}
		options = append(options, httpgateway.WithClientCertificate(func() *tls.Certificate { return certificate.Get() }))
	}
	pool, err := authorities(o.CAFile)
	if err != nil {
		return nil, err
	}
	return append(options, httpgateway.WithRootCAs(pool)), nil
}

// Close closes the idle connections.
func (g httpGateway) Close() error {
	g.Gateway.Close()
	return nil
}
