package config_test

import (
	"os"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/config"
	"paymentd/app/gateways"
)

// Each capability of a vendor's gateway has a source.
func TestKinds_Sources_AreComplete(t *testing.T) {
	t.Parallel()
	vendors := 0
	for _, kind := range gateways.Kinds {
		if kind.Sources == nil {
			require.NotEmpty(t, kind.Schemes, "%s, the gateway of a vendor, has no sources", kind.Name)
			continue
		}
		vendors++
		sources := reflect.ValueOf(*kind.Sources)
		for i := range sources.NumField() {
			require.NotEmpty(t, sources.Field(i).String(), "%s: %s", kind.Name, sources.Type().Field(i).Name)
		}
	}
	require.Equal(t, 2, vendors)
}

func TestInsertCapabilities_ReplacesTheGeneratedPart(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/gateways.md")
	require.NoError(t, err)
	generated, err := config.InsertCapabilities(string(page))
	require.NoError(t, err)
	require.Equal(t, string(page), generated, "docs/gateways.md differs from the capabilities: run make generate")
	require.Contains(t, generated, "| longest key | no limit | no limit | 255 bytes |")
	_, err = config.InsertCapabilities("# Gateways\n")
	require.ErrorContains(t, err, "no generated part")
}
