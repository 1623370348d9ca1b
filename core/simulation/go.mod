module paymentd/core/simulation

go 1.26.0

replace paymentd => ../..

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/stretchr/testify v1.12.1
	paymentd v0.0.0
	pgregory.net/rapid v1.3.0
)

require (
	github.com/bits-and-blooms/bitset v1.24.4 // indirect
	github.com/failsafe-go/failsafe-go v0.9.8 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/stripe/stripe-go/v85 v85.0.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
