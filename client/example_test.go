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
	// pay order order-123: the order is known with another amount or currency
	// order-124 declined 9402.00 USD <nil>
	// order-123 succeeded 100.00 USD <nil>
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
