package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == gatewayCommand {
		os.Exit(runGateway(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// TestBench_AllContendersAreConsistent runs a short benchmark with real processes.
func TestBench_AllContendersAreConsistent(t *testing.T) {
	t.Parallel()

	var out, progress bytes.Buffer
	code := run([]string{
		"--clients=4", "--latency=0s", "--rounds=1", "--for=1s", "--warm-up=100ms", "--json",
		"--binary=" + apptest.Build(t), "--buffer-pool=64M",
	}, &out, &progress)
	require.Zero(t, code, progress.String())

	var found report
	require.NoError(t, json.Unmarshal(out.Bytes(), &found), out.String())
	require.Len(t, found.Audits, 4+2+2)
	require.Len(t, found.Sections, 3)
	for i, want := range [][]string{{paymentd, bare, batched, textbook}, {paymentd, bare}, {paymentd, bare}} {
		require.Len(t, found.Sections[i].Rows, 1)
		results := found.Sections[i].Rows[0].Results
		require.Len(t, results, len(want))
		for j, r := range results {
			require.Equal(t, want[j], r.Contender)
			require.Positive(t, r.Payments, r.Contender)
			require.Zero(t, r.Errors, "%s: %s", r.Contender, r.FirstError)
			require.Positive(t, r.Usage[commits], r.Contender)
			require.Positive(t, r.Usage[statements], r.Contender)
			require.Positive(t, r.P50, r.Contender)
			require.Positive(t, r.Ratio.Median, r.Contender)
		}
		require.Positive(t, results[0].Usage[allocated])
		require.Positive(t, results[0].PeakBytes)
		require.InDelta(t, 2, results[1].Usage[commits], 0.5, "an INSERT and an UPDATE, each its own commit")
	}
	for _, a := range found.Audits {
		require.Zero(t, a.Errors, a.Contender)
		require.GreaterOrEqual(t, a.Succeeded, a.Paid, a.Contender)
	}

	var text bytes.Buffer
	require.NoError(t, found.write(&text, false))
	require.Contains(t, text.String(), "consistent")
}

func TestOptions_InvalidValueIsRefused(t *testing.T) {
	t.Parallel()

	for _, args := range []string{"--rounds=0", "--for=0s", "--clients=0", "--clients=5000", "--rows=-1", "--only=theirs", "--special=x", "now"} {
		var stderr bytes.Buffer
		require.Equal(t, exitUsage, run([]string{args}, io.Discard, &stderr), args)
		require.Contains(t, stderr.String(), "bench: ")
	}
	parser, err := kong.New(&options{})
	require.NoError(t, err)
	for _, flag := range parser.Model.Flags {
		require.NotEmpty(t, flag.Help, flag.Name)
	}
}
