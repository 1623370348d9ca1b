// Package client pays through paymentd, from Go.
//
//	paymentd, err := client.New("http://localhost:3000")
//	…
//	result, err := paymentd.Pay(ctx, client.Payment{OrderID: "order-123", Amount: "100.00"})
//
// [Client.Pay] asks again for as long as it is worth it: when the network fails, when the
// service is away or at its limits, and when another request is at the same order. That is
// safe by construction, since it is the same request each time, and the service charges an
// order once. It waits as long as the service says (Retry-After), and where a payment was
// accepted for later, until it has its end. The context bounds all that. With an API key
// ([WithAPIKey]) that does not suffice, it asks once.
//
// The types of the package are made from the service's openapi.yaml.
package client
