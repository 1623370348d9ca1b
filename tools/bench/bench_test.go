package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// TestBench runs the whole of it, short: on a server of its own, with real processes.
func TestBench(t *testing.T) {
	t.Parallel()

	var out, progress bytes.Buffer
	code := run([]string{
		"--clients=4", "--latency=0s", "--rounds=1", "--for=1s", "--warm-up=100ms", "--json",
		"--binary=" + apptest.Build(t), "--buffer-pool=64M",
	}, &out, &progress)
	require.Zero(t, code, progress.String())

	var found report
	require.NoError(t, json.Unmarshal(out.Bytes(), &found), out.String())
	require.Len(t, found.Audits, 1)
	a := found.Audits[0]
	require.Empty(t, a.wrong())
	require.Zero(t, a.Errors)
	require.Positive(t, a.Answers)
	require.Equal(t, a.Answers, a.Succeeded)
	require.Equal(t, a.Answers, a.Charges)

	require.Len(t, found.Rows, 1)
	for _, way := range ways {
		r := found.Rows[0].Ways[way]
		require.NotNil(t, r, way)
		require.Positive(t, r.Payments, way)
		require.Zero(t, r.Errors, "%s: %s", way, r.FirstError)
		require.Positive(t, r.Cost.Commits, way)
		require.Positive(t, r.Cost.Statements, way)
		require.Positive(t, r.P50, way)
		if way != ours {
			require.Positive(t, found.Rows[0].Ratios[way].Median, way)
			require.GreaterOrEqual(t, a.Others[way].Succeeded, a.Others[way].Answers, way)
		}
	}
	mine := found.Rows[0].Ways[ours]
	require.Positive(t, mine.Cost.AllocatedBytes)
	require.InDelta(t, 2, found.Rows[0].Ways[bare].Cost.Commits, 0.5, "an INSERT and an UPDATE, each its own")

	var text bytes.Buffer
	require.NoError(t, found.write(&text, false))
	require.Contains(t, text.String(), "as it must be")
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()

	for _, args := range []string{"--rounds=0", "--for=0s", "--clients=0", "--clients=5000", "--rows=-1", "--only=theirs", "--special=x", "now"} {
		var said bytes.Buffer
		require.Equal(t, exitWrong, run([]string{args}, io.Discard, &said), args)
		require.Contains(t, said.String(), "bench: ")
	}
	parser, err := kong.New(&options{})
	require.NoError(t, err)
	for _, flag := range parser.Model.Flags {
		require.NotEmpty(t, flag.Help, flag.Name)
	}
}
