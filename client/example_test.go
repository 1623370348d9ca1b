package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/fx"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/client"
)

// The service runs in this process, on a file and its sandbox.
func Example() {
	address, stop, err := startService()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	paymentd, err := client.New(address)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	order := client.Payment{OrderID: "order-123", Amount: "100.00"}
	result, err := paymentd.Pay(ctx, order)
	fmt.Println(result.TransactionID, result.Replayed, err)
	result, err = paymentd.Pay(ctx, order)
	fmt.Println(result.TransactionID, result.Replayed, err)

	_, err = paymentd.Pay(ctx, client.Payment{OrderID: "order-124", Amount: "9402"})
	if declined, ok := errors.AsType[*client.DeclinedError](err); ok {
		fmt.Println("declined:", declined.Code)
	}
	_, err = paymentd.Pay(ctx, client.Payment{OrderID: "order-123", Amount: "250.00"})
	fmt.Println(err)

	for payment, err := range paymentd.List(ctx, client.Filter{}) {
		fmt.Println(payment.OrderID, payment.State, payment.Amount, payment.Currency, err)
	}

	// Output:
	// txn-1 false <nil>
	// txn-1 true <nil>
	// declined: card_declined
	// pay order order-123: the order is known with another amount, currency or capture
	// order-124 declined 9402.00 USD <nil>
	// order-123 succeeded 100.00 USD <nil>
}

// A refund gives all or a part of a payment back.
func ExampleClient_Refund() {
	address, stop, err := startService()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	paymentd, err := client.New(address)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := paymentd.Pay(ctx, client.Payment{OrderID: "order-123", Amount: "100.00"}); err != nil {
		fmt.Println(err)
		return
	}

	part := client.Refund{OrderID: "order-123", RefundID: "return-7", Amount: "25.00", Reason: "damaged in transit"}
	result, err := paymentd.Refund(ctx, part)
	fmt.Println(result.TransactionID, result.Replayed, err)
	result, err = paymentd.Refund(ctx, part)
	fmt.Println(result.TransactionID, result.Replayed, err)

	_, err = paymentd.Refund(ctx, client.Refund{OrderID: "order-123", RefundID: "return-8", Amount: "80.00"})
	if refused, ok := errors.AsType[*client.RefusedError](err); ok {
		fmt.Println(refused.Sentence)
	}
	_, err = paymentd.Refund(ctx, client.Refund{OrderID: "order-123", RefundID: "return-8", Reason: "goodwill"}) // what is left
	fmt.Println(err)

	refunds, _ := paymentd.Refunds(ctx, "order-123")
	for _, r := range refunds {
		fmt.Println(r.RefundID, r.State, r.Amount, r.Currency, r.Reason)
	}
	payment, err := paymentd.Get(ctx, "order-123")
	fmt.Println(payment.State, payment.Refunded, payment.Refundable, err)

	// Output:
	// refund-1 false <nil>
	// refund-1 true <nil>
	// the refund exceeds what is left of the payment: 75.00 USD; refund at most that
	// <nil>
	// return-7 succeeded 25.00 USD damaged in transit
	// return-8 succeeded 75.00 USD goodwill
	// succeeded 100.00 0.00 <nil>
}

// startService starts a service in a temporary folder.
func startService() (address string, stop func(), err error) {
	folder, err := os.MkdirTemp("", "paymentd")
	if err != nil {
		return "", nil, err
	}
	cfg, err := config.Defaults()
	if err != nil {
		return "", nil, err
	}
	cfg.Addr = "127.0.0.1:0"
	cfg.Database = "sqlite:" + filepath.Join(folder, "paymentd.db")
	cfg.Gateway = "sandbox:" + filepath.Join(folder, "ledger")
	var server *app.Server
	service := app.New(cfg, slog.New(slog.DiscardHandler), fx.Populate(&server))
	if err := service.Start(context.Background()); err != nil {
		return "", nil, err
	}
	return "http://" + server.Addr(), func() {
		_ = service.Stop(context.Background())
		_ = os.RemoveAll(folder)
	}, nil
}
