package config_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/config"
)

func TestDocument_EqualsCommittedFile(t *testing.T) {
	t.Parallel()
	committed, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	require.Equal(t, string(committed), config.Document(), "run make generate")
}
