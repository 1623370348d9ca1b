package simulation

import "iter"

// foundBy are seeds that find bugs that few seeds find. They are tried first, because a search from seed 1 takes minutes
// for such a bug. After a change of the service or the simulation another seed may find the bug. Then the search is long,
// and logs the seed for this table.
var foundBy = map[string]uint64{
	"what the gateway is still at is taken for nothing":          113,
	"a waiter begins a round after a decline":                    82,
	"more payments at once than workers":                         35,
	"failed after one look although it was declined or rejected": 26,
}

// firstFoundBy yields the seed of the table, and then the seeds from 1 to n.
func firstFoundBy(name string, n uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		if seed, known := foundBy[name]; known && !yield(seed) {
			return
		}
		for seed := uint64(1); seed <= n; seed++ {
			if !yield(seed) {
				return
			}
		}
	}
}
