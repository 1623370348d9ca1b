package mysqlstore_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// manyClaims is how many concurrent claims are made, more than fit into the first statements.
const manyClaims = 40

// The connection is cut while the statement of a batch is in flight. Each payment is written once, and
// each caller gets its result.
func TestBatch_LostAnswerIsRetriedRowByRow(t *testing.T) {
	t.Parallel()
	for _, loseStatement := range []bool{false, true} {
		t.Run(fmt.Sprint("statement lost ", loseStatement), func(t *testing.T) {
			t.Parallel()
			url := migrated(t)
			l, linked := newLink(t, url)
			s := manyRows.open(t, linked)
			claims := make([]payment.Payment, manyClaims)
			atOnce := func(do func(i int)) {
				var all sync.WaitGroup
				for i := range manyClaims {
					all.Go(func() { do(i) })
				}
				all.Wait()
			}

			l.cutAt(plan{statement: ")\n,(", loseStatement: loseStatement}) // between two rows
			atOnce(func(i int) {
				p, verdict, err := s.Claim(t.Context(), request(t, payment.OrderID(fmt.Sprint("order-", i))))
				if err != nil || verdict != payment.VerdictClaimed || p.Fence != 1 {
					t.Errorf("claim %d: %s, %v, %v", i, verdict, p, err)
					return
				}
				claims[i] = *p
			})
			require.True(t, l.wasCut())

			l.cutAt(plan{statement: "',_binary'", loseStatement: loseStatement})
			atOnce(func(i int) {
				if err := s.Settle(t.Context(), approved(claims[i])); err != nil {
					t.Errorf("settle %d: %v", i, err)
				}
			})
			require.True(t, l.wasCut())
			for i := range manyClaims {
				p, err := s.Find(t.Context(), claims[i].OrderID)
				require.NoError(t, err)
				require.Equal(t, payment.StateSucceeded, p.State)
				require.Equal(t, int64(1), p.Fence)
			}
		})
	}
}
