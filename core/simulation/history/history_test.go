package history_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/simulation/history"
)

const (
	ten    = "10.00 USD"
	twelve = "12.00 USD"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		history  []history.Operation
		possible bool
	}{
		"nothing was asked": {nil, true},
		"charged, replayed, shown": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			post(3, 4, history.Success, "txn-1", true),
			get(5, 6, history.Success, "txn-1"),
		}, true},
		"two transactions for one order": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			post(3, 4, history.Success, "txn-2", true),
		}, false},
		"charged twice, says the header": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			post(3, 4, history.Success, "txn-1", false),
		}, false},
		"two at once, one charged": {[]history.Operation{
			post(1, 9, history.Success, "txn-1", false),
			post(2, 3, history.Success, "txn-1", true),
		}, true},
		"replayed without an earlier request": {[]history.Operation{
			get(1, 2, history.NotFound, ""),
			post(3, 4, history.Success, "txn-1", true),
			get(5, 6, history.NotFound, ""),
		}, false},
		"failed after it had succeeded": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			post(3, 4, history.Failed, "", false),
		}, false},
		"failed, while another succeeds": {[]history.Operation{
			post(1, 4, history.Success, "txn-1", false),
			post(2, 3, history.Failed, "", false),
		}, true},
		"declined, and again with success": {[]history.Operation{
			post(1, 2, history.Declined, "", false),
			post(3, 4, history.Success, "txn-1", false),
		}, true},
		"charged behind the back of whom it failed for": {[]history.Operation{
			post(1, 2, history.Failed, "", false),
			get(3, 4, history.Success, "txn-1"),
		}, false},
		"charged for one that left": {[]history.Operation{
			post(1, 2, history.Failed, "", false),
			post(3, 0, history.Nothing, "", false),
			get(50, 60, history.Success, "txn-1"),
		}, true},
		"charged for one that has not asked yet": {[]history.Operation{
			post(1, 2, history.Failed, "", false),
			get(3, 4, history.Success, "txn-1"),
			post(5, 0, history.Nothing, "", false),
		}, false},
		"seen while it is charged": {[]history.Operation{
			post(1, 4, history.Success, "txn-1", false),
			get(2, 3, history.Pending, ""),
			get(5, 6, history.Success, "txn-1"),
		}, true},
		"seen while it is declined, and again": {[]history.Operation{
			post(1, 4, history.Declined, "", false),
			get(2, 3, history.Pending, ""),
			post(5, 8, history.Declined, "", false),
			get(6, 7, history.Pending, ""),
		}, true},
		"opened again after the answer failed": {[]history.Operation{
			post(1, 5, history.Failed, "", false),
			get(2, 3, history.Failed, ""),
			get(6, 7, history.Pending, ""),
		}, false},
		"unresolved, then found": {[]history.Operation{
			post(1, 2, history.Pending, "", false),
			get(3, 4, history.Pending, ""),
			get(5, 6, history.Success, "txn-1"),
			post(7, 8, history.Success, "txn-1", true),
		}, true},
		"succeeded, then pending again": {[]history.Operation{
			post(1, 2, history.Pending, "", false),
			get(3, 4, history.Success, "txn-1"),
			get(5, 6, history.Pending, ""),
		}, false},
		"refused for another amount": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			other(3, 4, history.Mismatch, ""),
		}, true},
		"refused for the same amount": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			post(3, 4, history.Mismatch, "", false),
		}, false},
		"another amount gets the success": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			other(3, 4, history.Success, "txn-1"),
		}, false},
		"not taken in, and yet there": {[]history.Operation{
			post(1, 2, history.Unavailable, "", false),
			get(3, 4, history.Pending, ""),
		}, false},
		"busy without another request": {[]history.Operation{
			post(1, 2, history.Declined, "", false),
			post(3, 4, history.Busy, "", false),
			get(5, 6, history.Declined, ""),
		}, true},
		"lost its claim, and got busy": {[]history.Operation{
			post(1, 4, history.Busy, "", false),
			get(2, 3, history.Pending, ""),
		}, true},
		"gone after it was accepted": {[]history.Operation{
			post(1, 2, history.Pending, "", false),
			get(3, 4, history.NotFound, ""),
		}, false},
		"orders do not touch each other": {[]history.Operation{
			post(1, 2, history.Success, "txn-1", false),
			{OrderID: "order-2", Kind: history.Get, Call: 3, Return: 4, Response: history.NotFound},
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := history.Check(test.history, time.Minute)
			if test.possible {
				require.NoError(t, err)
				return
			}
			var impossible *history.ImpossibleError
			require.ErrorAs(t, err, &impossible)
			require.Len(t, impossible.Operations, len(test.history))
			require.Contains(t, err.Error(), "order-1")
		})
	}
}

func post(called, returned int64, answer history.Response, transactionID string, replayed bool) history.Operation {
	return history.Operation{
		OrderID: "order-1", Kind: history.Post, Amount: ten, Call: called, Return: returned,
		Response: answer, TransactionID: transactionID, Replayed: replayed,
	}
}

func other(called, returned int64, answer history.Response, transactionID string) history.Operation {
	op := post(called, returned, answer, transactionID, transactionID != "")
	op.Amount = twelve
	return op
}

func get(called, returned int64, answer history.Response, transactionID string) history.Operation {
	op := post(called, returned, answer, transactionID, false)
	op.Kind = history.Get
	return op
}
