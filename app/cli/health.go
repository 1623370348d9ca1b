package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"paymentd/app/config"
	"paymentd/app/internal/cause"
)

// healthTimeout bounds the request of a health check.
const healthTimeout = 3 * time.Second

type healthCommand struct {
	jsonFlag

	CA  string `name:"ca" placeholder:"FILE" help:"PEM certificates to trust instead of the system's, if the service uses TLS."`
	URL string `arg:"" default:"http://127.0.0.1:3000/readyz" help:"Address to request: /healthz or /readyz of a service, or /healthz of the sandbox."`
}

// Help describes the exit codes.
func (healthCommand) Help() string {
	return "Exit code 0: the answer is 200. 1: another answer, or none within 3 seconds. 2: the address is wrong."
}

// Validate checks the settings. kong calls it.
func (c *healthCommand) Validate() error {
	if !config.IsBaseURL(c.URL) {
		return fmt.Errorf("<url> must be an http:// or https:// address, such as http://127.0.0.1:3000/readyz, and is %q", c.URL)
	}
	return nil
}

func (c *healthCommand) Run(ctx context.Context, s stdio) error {
	if !c.JSON {
		_, err := c.ask(ctx)
		return err
	}
	status, err := c.ask(ctx)
	answer := struct {
		URL    string `json:"url"`
		OK     bool   `json:"ok"`
		Status int    `json:"status"`
		Error  string `json:"error,omitempty"`
	}{URL: redacted(c.URL), OK: err == nil, Status: status}
	if err != nil {
		answer.Error = err.Error()
	}
	return errors.Join(err, writeJSON(s.stdout, answer))
}

// ask returns the status of the answer, or zero if there is none. The error says that it is not 200.
func (c *healthCommand) ask(ctx context.Context) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	client, err := c.client()
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%s gives no answer: %s", request.URL.Redacted(), cause.Of(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return response.StatusCode, fmt.Errorf("%s answers %s", request.URL.Redacted(), response.Status)
	}
	return response.StatusCode, nil
}

func (c *healthCommand) client() (*http.Client, error) {
	if c.CA == "" {
		return http.DefaultClient, nil
	}
	authorities, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, config.InvalidFlag("ca", "must be a file that can be read, and %s is not: %s", c.CA, cause.Of(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, config.InvalidFlag("ca", "must be a file with certificates as PEM")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}, nil
}
