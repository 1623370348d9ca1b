// Package deploy_test compares the dashboard and the alert rules with the exported metrics, and checks that
// docker-compose.yml and the files around it expose no secrets.
package deploy_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.yaml.in/yaml/v3"

	"paymentd/app"
	"paymentd/app/apptest"
	"paymentd/app/config"
	"paymentd/core/endpoint"
	"paymentd/ports"
)

// exported has the values of each label of each metric.
type exported map[string]map[string][]string

var (
	sample   = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)
	labelled = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// scrapeRun runs the service, pays, and scrapes the metrics.
func scrapeRun(t *testing.T) exported {
	t.Helper()
	cfg, err := config.Defaults()
	require.NoError(t, err)
	cfg.Addr, cfg.Database = "127.0.0.1:0", "sqlite:"+filepath.Join(t.TempDir(), "paymentd.db")
	cfg.Gateway = "sandbox:" + filepath.Join(t.TempDir(), "ledger")
	cfg.TLSCertificate, cfg.TLSKey = apptest.Certify(t, t.TempDir(), time.Now().Add(time.Hour))
	var server *app.Server
	var endpoints ports.Endpoints
	service := app.New(cfg, slog.New(slog.DiscardHandler), fx.Populate(&server, &endpoints),
		fx.Replace(app.LogDrops(func() uint64 { return 0 })))
	require.NoError(t, service.Start(t.Context()))
	defer func() { require.NoError(t, service.Stop(t.Context())) }()
	base := "https://" + server.Addr()
	for range 2 {
		require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), base, "order-1", "100.00").Code)
	}
	refunded := apptest.Ask(t.Context(), http.MethodPost, base+"/payments/order-1/refunds", `{"refund_id":"r-1"}`)
	require.Equal(t, http.StatusOK, refunded.Code, refunded)
	for _, kind := range []string{"capture", "void"} { // refused, because the payment is not held
		got := apptest.Ask(t.Context(), http.MethodPost, base+"/payments/order-1/"+kind, `{}`)
		require.Equal(t, http.StatusUnprocessableEntity, got.Code, got)
	}
	require.NoError(t, endpoints.Create(t.Context(), endpoint.New("https://127.0.0.1:1/", endpoint.Patterns{"payment.voided"})))
	var metrics apptest.Answer
	apptest.Eventually(t, 20*time.Second, func() error { // the service reads its endpoints now and then
		metrics = apptest.Get(t.Context(), base, "/metrics")
		if metrics.Code != http.StatusOK || !strings.Contains(metrics.Raw, "\npaymentd_webhook_waiting{") {
			return errors.New("the metrics lack those of the endpoint: " + metrics.String())
		}
		return nil
	})

	e := make(exported)
	for _, found := range sample.FindAllStringSubmatch(metrics.Raw, -1) {
		labels := e[found[1]]
		if labels == nil {
			labels = make(map[string][]string)
			e[found[1]] = labels
		}
		for _, l := range labelled.FindAllStringSubmatch(found[2], -1) {
			labels[l[1]] = append(labels[l[1]], l[2])
		}
	}
	require.Contains(t, e, "paymentd_replays_total")
	require.Contains(t, e["paymentd_http_request_duration_seconds_count"]["route"], "/payments/process")
	return e
}

var (
	words    = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*`)
	selector = regexp.MustCompile(`([a-z_]*[a-z])(?:\{([^}]*)\})?(?:\[(?:[0-9]+[mh]|\$__rate_interval)\])?`)
	matcher  = regexp.MustCompile(`^([a-z_]+)(=~|!~|!=|=)"([^"]*)"$`)
	grouping = regexp.MustCompile(`\bby \(([a-z_, ]+)\)`)

	functions = []string{"sum", "max", "count", "rate", "increase", "histogram_quantile", "absent", "min", "time"}
	// byScrape are the labels that Prometheus adds.
	byScrape = []string{"instance", "job"}
	// comeLater matches label values that a short run does not produce.
	comeLater = regexp.MustCompile(`^status="503"$|^status="500"$|^pool=`)
)

// check parses a query in the few forms that the dashboard and the rules have. Other forms fail the test.
func (e exported) check(t *testing.T, query string) {
	t.Helper()
	var grouped []string
	for _, by := range grouping.FindAllStringSubmatch(query, -1) {
		grouped = append(grouped, words.FindAllString(by[1], -1)...)
	}
	rest := grouping.ReplaceAllString(query, "")
	metrics := 0
	for _, found := range selector.FindAllStringSubmatch(rest, -1) {
		name, matchers := found[1], found[2]
		if slices.Contains(functions, name) {
			require.Empty(t, matchers, query)
			continue
		}
		labels, known := e[name]
		require.True(t, known, "%s is not exported; query: %s", name, query)
		metrics++
		for m := range strings.SplitSeq(matchers, ",") {
			if matchers == "" {
				break
			}
			part := matcher.FindStringSubmatch(m)
			require.NotNil(t, part, "%s in %s", m, query)
			require.Contains(t, labels, part[1], "labels of %s in %s", name, query)
			if comeLater.MatchString(m) {
				continue
			}
			alternatives := []string{part[3]}
			if strings.HasSuffix(part[2], "~") {
				alternatives = strings.Split(part[3], "|")
			}
			for _, value := range alternatives {
				require.Contains(t, labels[part[1]], value, "label %s of %s in %s", part[1], name, query)
			}
		}
		for _, by := range grouped {
			if _, known := labels[by]; !known {
				require.Contains(t, byScrape, by, "%s has no label %s; query: %s", name, by, query)
			}
		}
	}
	require.NotZero(t, metrics, query)
	left := selector.ReplaceAllString(rest, "")
	require.Regexp(t, `^[0-9., ()/*<>=-]*$`, left, "not understood in %s", query)
}

type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

func TestDashboard_QueriesUseExportedMetrics(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../deploy/grafana/paymentd.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.Panels)
	e := scrapeRun(t)
	shown := make(map[string]bool)
	for _, panel := range d.Panels {
		require.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			e.check(t, target.Expr)
			for _, name := range words.FindAllString(target.Expr, -1) {
				shown[regexp.MustCompile(`_(bucket|count)$`).ReplaceAllString(name, "")] = true
			}
		}
	}
	for name := range e {
		if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); strings.HasPrefix(base, "paymentd_") {
			require.True(t, shown[base], "%s is on no panel", base)
		}
	}
}

type rules struct {
	Groups []struct {
		Rules []struct {
			Alert       string
			Expr        string
			Annotations map[string]string
		}
	}
}

type ruleTests struct {
	Tests []struct {
		Name   string
		Alerts []struct {
			Name string `yaml:"alertname"`
			Want []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

// Each rule uses exported metrics, has a test in which it fires and one in which it does not, and a section
// of the documentation.
func TestAlerts_AreTestedAndDocumented(t *testing.T) {
	t.Parallel()
	var r rules
	read(t, "../../../deploy/prometheus/paymentd.rules.yml", &r)
	var tests ruleTests
	read(t, "../../../deploy/prometheus/paymentd_test.yml", &tests)
	fires, quiet := make(map[string]bool), make(map[string]bool)
	for _, test := range tests.Tests {
		for _, a := range test.Alerts {
			if len(a.Want) > 0 {
				fires[a.Name] = true
			} else {
				quiet[a.Name] = true
			}
		}
	}
	page, err := os.ReadFile("../../../docs/alerts.md")
	require.NoError(t, err)
	e := scrapeRun(t)
	documented := regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, r.Groups, 1)
	require.Len(t, documented, len(r.Groups[0].Rules))
	for i, rule := range r.Groups[0].Rules {
		require.True(t, fires[rule.Alert], "no test in which %s fires", rule.Alert)
		require.True(t, quiet[rule.Alert], "no test in which %s does not fire", rule.Alert)
		require.Equal(t, rule.Alert, documented[i][1], "docs/alerts.md has them in the order of the rules")
		require.Equal(t, "docs/alerts.md#"+strings.ToLower(rule.Alert), rule.Annotations["runbook"])
		require.NotEmpty(t, rule.Annotations["summary"])
		e.check(t, rule.Expr)
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, into))
}
