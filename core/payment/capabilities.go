package payment

import "time"

// GatewayID identifies the gateway that a key was sent to: the kind and the base URL or the account,
// such as "https://gateway.example/v1" or "sandbox:". Printable ASCII, at most [MaxGatewayIDBytes]. A
// key proves nothing at a gateway other than its own.
type GatewayID string

// MaxGatewayIDBytes is the longest [GatewayID].
const MaxGatewayIDBytes = 255

// Capabilities are what a gateway can prove, as its adapter declares them.
type Capabilities struct {
	// Gateway identifies the gateway. It is stored with each key.
	Gateway GatewayID
	// HonoursKeys: a repeat with the same key cannot charge a second time, while the key lives.
	HonoursKeys bool
	// KeyLifetime is how long the gateway remembers a key after its first use; zero for ever.
	// A repeat after that is a new charge.
	KeyLifetime time.Duration
	// LookupLag is how long after a charge a lookup may not see it yet.
	LookupLag time.Duration
	// LookupForgets: a lookup finds nothing after the key's lifetime.
	LookupForgets bool
	// SavesDeclines: a repeat and a lookup of a declined key get the decline again. Otherwise, a
	// lookup that finds "declined" counts as one that found nothing.
	SavesDeclines bool
	// SavesErrors: a repeat gets the first answer again even if that was an error, so that a closed
	// key cannot be used again.
	SavesErrors bool
}
