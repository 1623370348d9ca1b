package simulation

import "iter"

// foundBy are seeds that find bugs that few seeds find. They are tried first, because a search from seed 1 takes minutes
// for such a bug. After a change of the service or the simulation another seed may find the bug. Then the search is long,
// and logs the seed for this table.
var foundBy = map[string]uint64{
	"the approval of a worker that was fenced out is dropped":    382,
	"a cancellation counts without the gateway's word":           246,
	"evidence overwrites a success":                              196,
	"a charge that is found with a left key is ignored":          196,
	"a stored start in the future is not replaced":               132,
	"a heartbeat that lies far ahead is believed":                132,
	"what the gateway is still at is taken for nothing":          113,
	"the queue forgets that a pending payment is to be voided":   133,
	"the queue looks a payment up that is to be voided":          133,
	"a lookup forgets that a pending payment is to be voided":    133,
	"the void of a pending payment is accepted and not stored":   133,
	"a waiter begins a round after a decline":                    82,
	"what has passed is counted by the database's clock alone":   55,
	"looks survive a new claim":                                  40,
	"a lease that ends in the far future is believed":            38,
	"nothing counts after the key's lifetime":                    37,
	"a charge that was named fails by one look":                  36,
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
