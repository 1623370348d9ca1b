package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// refundAmounts are what clients ask back of a payment of plainAmount, by the refund id. Together they exceed it.
var refundAmounts = map[string]string{"r-1": "4.00", "r-2": "7.00", "r-3": "2.50"}

// operated are the orders of plainAmount for which operations were requested.
type operated struct {
	held     []string // only held at first, then captured or voided
	refunded []string
}

// holdAndEnd holds money for an order, and has it captured and voided at once through different replicas.
func (c *workload) holdAndEnd(random *rand.Rand, order string) {
	body := fmt.Sprintf(`{"order_id":%q,"amount":%s,"capture":"manual"}`, order, plainAmount)
	if c.repeat(random, "/payments/process", body) != http.StatusOK {
		return
	}
	c.mu.Lock()
	c.operated.held = append(c.operated.held, order)
	c.mu.Unlock()
	seeds := [2]uint64{random.Uint64(), random.Uint64()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.repeat(rand.New(rand.NewPCG(seeds[0], 1)), "/payments/"+order+"/void", `{}`)
	}()
	c.repeat(rand.New(rand.NewPCG(seeds[1], 2)), "/payments/"+order+"/capture", `{"amount":6.00}`)
	<-done
	c.repeat(random, "/payments/"+order+"/refunds", `{"refund_id":"r-1","amount":4.00}`)
}

// refund asks for refunds of a payment that succeeded.
func (c *workload) refund(random *rand.Rand, order string) {
	c.mu.Lock()
	c.operated.refunded = append(c.operated.refunded, order)
	c.mu.Unlock()
	for id, amount := range refundAmounts {
		c.repeat(random, "/payments/"+order+"/refunds", fmt.Sprintf(`{"refund_id":%q,"amount":%s}`, id, amount))
	}
}

// repeat repeats a request until the answer is final or tries are used up, and returns its status; 0 for none.
func (c *workload) repeat(random *rand.Rand, path, body string) (code int) {
	for range tries {
		ctx, cancel := context.WithTimeout(context.Background(), clientLimit)
		a := apptest.Ask(ctx, http.MethodPost, c.urls[random.IntN(len(c.urls))]+path, body)
		cancel()
		switch code = a.Code; code {
		case http.StatusOK, http.StatusPaymentRequired, http.StatusUnprocessableEntity:
			return code
		}
		time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
	}
	return code
}

// operation is an operation of a payment, as GET /payments/{order_id} has it.
type operation struct {
	Kind          string `json:"kind"`
	RefundID      string `json:"refund_id"`
	State         string `json:"state"`
	Amount        string `json:"amount"`
	TransactionID string `json:"transaction_id"`
}

// moved is what the gateway's ledger has of the operations of an order, in minor units.
type moved struct {
	captured, refunded int64
	captures, voids    int
	refunds            map[string]int  // how often, by gateway and transaction
	charged            map[string]bool // charges, by gateway and transaction
}

// auditOperations compares the ledgers of the gateways with the operations of the payments.
func auditOperations(t *testing.T, w *world, c *workload) {
	t.Helper()
	var waiting error
	apptest.Eventually(t, finalLimit, func() error {
		for _, order := range append(c.operated.held, c.operated.refunded...) {
			if _, _, waiting = operationsOf(t, w, order); waiting != nil {
				return waiting
			}
		}
		return nil
	})
	ledger, states := ledgerOfOperations(t, w), make(map[string]int)
	for _, order := range append(c.operated.held, c.operated.refunded...) {
		p, operations, err := operationsOf(t, w, order)
		require.NoError(t, err)
		is := ledger[order]
		requireOperations(t, order, p, operations, is)
		states["payment "+p.State]++
		for _, o := range operations {
			states[o.Kind+" "+o.State]++
		}
	}
	t.Logf("the ledger and the table agree on the operations of %d orders: %v",
		len(c.operated.held)+len(c.operated.refunded), states)
}

// requireOperations checks one order: each operation moved money at most once, and no more than was there.
func requireOperations(t *testing.T, order string, p apptest.Payment, operations []operation, is moved) {
	t.Helper()
	require.LessOrEqual(t, len(is.charged), 1, "order %s was charged or held twice: %+v %s", order, is, p.Raw)
	charged := minor(t, p.Amount)
	taken := charged
	if strings.Contains(p.Raw, `"capture":"manual"`) {
		taken = is.captured
	}
	require.LessOrEqual(t, is.captures+is.voids, 1, "order %s was captured and voided: %+v %s", order, is, p.Raw)
	require.LessOrEqual(t, is.captured, charged, order)
	require.LessOrEqual(t, is.refunded, taken, "order %s: %+v %s", order, is, p.Raw)
	var refunded int64
	for _, o := range operations {
		succeeded := o.State == "succeeded"
		switch o.Kind {
		case "capture":
			require.Equal(t, succeeded, is.captures == 1, "order %s: %+v %s", order, is, p.Raw)
		case "void":
			require.Equal(t, succeeded, is.voids == 1, "order %s: %+v %s", order, is, p.Raw)
		case "refund":
			require.Equal(t, succeeded, is.refunds[p.Gateway+" "+o.TransactionID] == 1, "order %s: %+v %s", order, is, p.Raw)
			if succeeded {
				refunded += minor(t, o.Amount)
			}
		}
	}
	require.Equal(t, refunded, is.refunded, "order %s: %+v %s", order, is, p.Raw)
}

// operationsOf returns a payment and its operations, or an error if one of them is not final.
func operationsOf(t *testing.T, w *world, order string) (apptest.Payment, []operation, error) {
	t.Helper()
	p, err := apptest.Find(t.Context(), w.replicas[0].URL, order)
	if err != nil {
		return p, nil, err
	}
	var all struct {
		Operations []operation `json:"operations"`
	}
	require.NoError(t, json.Unmarshal([]byte(p.Raw), &all))
	for _, o := range all.Operations {
		switch o.State {
		case "succeeded", "declined", "failed":
		default:
			return p, nil, fmt.Errorf("a %s of order %s is %s", o.Kind, order, o.State)
		}
	}
	return p, all.Operations, nil
}

// ledgerOfOperations returns what the gateways did for the operations of each order.
func ledgerOfOperations(t *testing.T, w *world) map[string]moved {
	t.Helper()
	all := make(map[string]moved)
	for i, g := range w.gateways {
		a := apptest.Get(t.Context(), g.URL, "/ledger")
		require.NoError(t, a.Err)
		addOperations(t, all, gatewayNames[i], a.Raw)
	}
	return all
}

// addOperations adds what the ledger of one gateway has.
func addOperations(t *testing.T, all map[string]moved, gateway, ledger string) {
	t.Helper()
	for line := range strings.Lines(ledger) {
		var entry struct {
			OrderID       string `json:"order_id"`
			ChargeKey     string `json:"charge_key"`
			Operation     string `json:"operation"`
			Amount        string `json:"amount"`
			Status        string `json:"status"`
			TransactionID string `json:"transaction_id"`
			VoidKey       string `json:"void_key"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		m := all[entry.OrderID]
		if m.refunds == nil {
			m.refunds, m.charged = make(map[string]int), make(map[string]bool)
		}
		switch {
		case entry.VoidKey != "":
			m.voids++
		case entry.ChargeKey == "" || entry.Status != "succeeded":
		case entry.Operation == "capture":
			m.captures++
			m.captured += minor(t, entry.Amount)
		case entry.Operation == "":
			m.refunds[gateway+" "+entry.TransactionID]++
			m.refunded += minor(t, entry.Amount)
		}
		if entry.ChargeKey == "" && entry.TransactionID != "" {
			m.charged[gateway+" "+entry.TransactionID] = true
		}
		all[entry.OrderID] = m
	}
}

// minor returns an amount with two decimals in minor units.
func minor(t *testing.T, amount string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.Replace(amount, ".", "", 1), 10, 64)
	require.NoError(t, err)
	return n
}
