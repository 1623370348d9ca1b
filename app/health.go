package app

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

const healthTimeout = 3 * time.Second

type healthCommand struct {
	URL string `arg:"" default:"http://127.0.0.1:3000/readyz" help:"What to ask: /healthz or /readyz of a service, or /healthz of the sandbox."`
}

func (c *healthCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", c.URL, response.Status)
	}
	return nil
}
