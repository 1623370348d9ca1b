package mysqlstore_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// crowd is how many claims are made at once. They are more than go in the first statements.
const crowd = 40

// TestLostAnswerOfASharedCommit cuts the connection while payments of many callers are on their
// way in one statement. Each is written once, and each caller told so.
func TestLostAnswerOfASharedCommit(t *testing.T) {
	t.Parallel()
	for _, loseQuestion := range []bool{false, true} {
		t.Run(fmt.Sprint("question lost ", loseQuestion), func(t *testing.T) {
			t.Parallel()
			url := migrated(t)
			l, linked := newLink(t, url)
			s := together.open(t, linked)
			claims := make([]payment.Payment, crowd)
			atOnce := func(do func(i int)) {
				var all sync.WaitGroup
				for i := range crowd {
					all.Go(func() { do(i) })
				}
				all.Wait()
			}

			l.cutAt(plan{statement: ")\n,(", loseQuestion: loseQuestion}) // between two rows
			atOnce(func(i int) {
				p, verdict, err := s.Claim(t.Context(), ask(t, payment.OrderID(fmt.Sprint("order-", i))))
				if err != nil || verdict != payment.VerdictClaimed || p.Fence != 1 {
					t.Errorf("claim %d: %s with fence %d, %v", i, verdict, p.Fence, err)
				}
				claims[i] = p
			})
			require.True(t, l.wasCut())

			l.cutAt(plan{statement: "',_binary'", loseQuestion: loseQuestion})
			atOnce(func(i int) {
				if err := s.Settle(t.Context(), approved(claims[i])); err != nil {
					t.Errorf("settle %d: %v", i, err)
				}
			})
			require.True(t, l.wasCut())
			for i := range crowd {
				p, err := s.Find(t.Context(), claims[i].OrderID)
				require.NoError(t, err)
				require.Equal(t, payment.StateSucceeded, p.State)
				require.Equal(t, int64(1), p.Fence)
			}
		})
	}
}
