package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrders_IDsAreUnique(t *testing.T) {
	t.Parallel()

	for _, ids := range []string{"random", "ascending"} {
		o := newOrders(ids)
		seen := make(map[string]bool)
		before, ascended := "", true
		for range 100_000 {
			id := o.next(bare)
			require.Len(t, id, len("bare-")+16)
			require.False(t, seen[id], "%s: twice", id)
			seen[id] = true
			ascended = ascended && id > before
			before = id
		}
		require.Equal(t, ids == "ascending", ascended)
	}
}
