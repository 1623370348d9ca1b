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

// Help says what the exit codes mean.
func (healthCommand) Help() string {
	return "Exit code 0: it answers 200. 1: it answers something else, or not within 3 seconds. 2: the address is wrong."
}

// Validate checks the settings. Kong calls it.
func (c *healthCommand) Validate() error {
	if !isBaseURL(c.URL) {
		return fmt.Errorf("<url> must be an http:// or https:// address, such as http://127.0.0.1:3000/readyz, and is %q", c.URL)
	}
	return nil
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
		return fmt.Errorf("%s gives no answer: %s", request.URL.Redacted(), cause(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", request.URL.Redacted(), response.Status)
	}
	return nil
}

func (c *healthCommand) client() (*http.Client, error) {
	if c.CA == "" {
		return http.DefaultClient, nil
	}
	authorities, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, &settingError{flag: "ca", problem: fmt.Sprintf("must be a file that can be read, and %s is not: %s", c.CA, cause(err))}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, &settingError{flag: "ca", problem: "must be a file with certificates as PEM"}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}, nil
}
