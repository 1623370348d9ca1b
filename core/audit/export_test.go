package audit

import "context"

// RunKeeping is [Run] with room for fewer charges, so that a small list is compared in parts. It also
// returns the number of parts.
func RunKeeping(
	ctx context.Context, maxCharges int, gateway Gateway, payments Payments, s Settings,
) (Report, uint64, error) {
	a := newAudit(gateway, payments, s)
	a.maxCharges = maxCharges
	r, err := a.run(ctx)
	return r, a.of, err
}
