// Package client is the Go client of paymentd.
//
//	paymentd, err := client.New("http://localhost:3000")
//	…
//	result, err := paymentd.Pay(ctx, client.Payment{OrderID: "order-123", Amount: "100.00"})
//
// [Client.Pay] and [Client.Refund] retry while that may help: if the network fails, if the service is unavailable or
// at its limits, and if another request is processing the order or refund. Retries are safe, because each
// sends the same request, and the service charges an order once, and makes a refund once. It waits as long as the service
// asks for (Retry-After), and if the payment or refund was accepted for later, until it is decided. The context
// bounds all waits. If an API key ([WithAPIKey]) is not sufficient, there is no retry.
//
// The types of the package are generated from the service's openapi.yaml.
package client
