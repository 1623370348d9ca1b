package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"paymentd/app/apptest"
	"paymentd/core/simulation/history"
)

const (
	plainAmount = "10.00"
	slowAmount  = "9508.00" // takes the sandbox three seconds

	clientLimit = 8 * time.Second // after which a client closes its connection
	sharedOrder = 4               // one request in 4 is for an order that other clients pay as well
	tries       = 6               // of a client for one order
)

// amounts are what clients pay: mostly plain ones, and those that make the sandbox decline, fail once,
// charge and close the connection without a response, or charge late.
var amounts = []string{
	plainAmount, plainAmount, plainAmount, plainAmount, plainAmount, plainAmount,
	"9402.00", "9503.00", "9504.00", "9506.00",
}

// workload is a number of clients. They pay, repeat requests until the payment is final, and record
// the responses.
type workload struct {
	urls  []string
	seed  uint64
	began time.Time
	ctx   context.Context //nolint:containedctx // of the clients, until stop
	end   context.CancelFunc
	busy  sync.WaitGroup

	mu         sync.Mutex
	operations []history.Operation
	asked      map[string]string // amount by order
	recent     []string
	operated   operated
}

func newWorkload(w *world, seed uint64) *workload {
	ctx, end := context.WithCancel(context.Background())
	return &workload{
		urls: w.urls(), seed: seed, began: time.Now(), ctx: ctx, end: end,
		asked: make(map[string]string),
	}
}

func (c *workload) start() {
	for i := range clients {
		c.busy.Go(func() {
			random := rand.New(rand.NewPCG(c.seed, uint64(i)+2))
			for k := 0; c.ctx.Err() == nil; k++ {
				if random.IntN(6) == 0 {
					c.holdAndEnd(random, fmt.Sprintf("held-%d-%d", i, k))
					continue
				}
				order, amount := c.choose(random, fmt.Sprintf("order-%d-%d", i, k))
				paid := c.payUntilFinal(i, random, order, amount)
				if paid && amount == plainAmount && random.IntN(4) == 0 {
					c.refund(random, order)
				}
				time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
			}
		})
	}
}

// stop returns when the requests in flight have finished.
func (c *workload) stop() {
	c.end()
	c.busy.Wait()
}

// choose returns an order: a new one, or a recent one of another client.
func (c *workload) choose(random *rand.Rand, fresh string) (order, amount string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.recent) > 0 && random.IntN(sharedOrder) == 0 {
		order = c.recent[random.IntN(len(c.recent))]
		return order, c.asked[order]
	}
	c.asked[fresh] = amounts[random.IntN(len(amounts))]
	c.recent = append(c.recent, fresh)
	c.recent = c.recent[max(0, len(c.recent)-clients):]
	return fresh, c.asked[fresh]
}

// payUntilFinal repeats the request until the payment is final, or tries are used up. It reports whether it succeeded.
func (c *workload) payUntilFinal(client int, random *rand.Rand, order, amount string) (paid bool) {
	var headers []string
	if random.IntN(5) == 0 {
		headers = []string{"Prefer", "respond-async"}
	}
	for range tries {
		url := c.urls[random.IntN(len(c.urls))]
		ctx, cancel := context.WithTimeout(context.Background(), clientLimit)
		op := history.Operation{Client: client, OrderID: order, Kind: history.Post, Amount: amount, Call: c.now()}
		a := apptest.Pay(ctx, url, order, amount, headers...)
		cancel()
		op.Return = c.now()
		op.Response, op.TransactionID = classify(a), a.Body.TransactionID
		op.Replayed = a.Header.Get("Idempotent-Replayed") == "true"
		c.record(op)
		switch op.Response {
		case history.Success, history.Declined, history.Failed:
			return op.Response == history.Success
		}
		time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
	}
	return false
}

// classify classifies a response. Nothing means that the request may have been accepted.
func classify(a apptest.Answer) history.Response {
	switch a.Code {
	case http.StatusOK:
		return history.Success
	case http.StatusAccepted:
		return history.Pending
	case http.StatusPaymentRequired:
		return history.Declined
	case http.StatusBadGateway:
		return history.Failed
	case http.StatusConflict:
		return history.Busy
	case http.StatusUnprocessableEntity:
		return history.Mismatch
	case http.StatusServiceUnavailable:
		if strings.Contains(a.Body.Error, "nothing was charged by this request") {
			return history.Unavailable
		}
	}
	return history.Nothing
}

func (c *workload) now() int64 { return int64(time.Since(c.began)) }

func (c *workload) record(op history.Operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operations = append(c.operations, op)
}

func (c *workload) history() []history.Operation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.operations)
}

// orders returns the amount of each order that was requested.
func (c *workload) orders() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.asked)
}
