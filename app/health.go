package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"
)

const healthTimeout = 3 * time.Second

type healthCommand struct {
	CA  string `name:"ca" placeholder:"FILE" help:"Certificates, as PEM, to trust in place of the system's, where the service speaks TLS."`
	URL string `arg:"" default:"http://127.0.0.1:3000/readyz" help:"What to ask: /healthz or /readyz of a service, or /healthz of the sandbox."`
}

func (c *healthCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	client, err := c.client()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", c.URL, response.Status)
	}
	return nil
}

func (c *healthCommand) client() (*http.Client, error) {
	if c.CA == "" {
		return http.DefaultClient, nil
	}
	authorities, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, &settingError{flag: "ca", problem: err.Error()}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, &settingError{flag: "ca", problem: "must be a file with certificates as PEM"}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}, nil
}
