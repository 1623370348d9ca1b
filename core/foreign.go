package core

import "context"

// ForeignPayments counts the payments that wait because their gateway is not configured, as of
// the latest count, which is made every minute.
func (s *Service) ForeignPayments() int { return int(s.foreign.Load()) }

// countForeign counts the foreign payments, and logs the number if it has changed.
func (s *Service) countForeign(ctx context.Context) {
	configured := s.rules().Configured()
	n, err := s.payments.CountForeign(ctx, configured)
	if err != nil || s.foreign.Swap(int64(n)) == int64(n) {
		return // after an error, the next count is in a minute
	}
	if n == 0 {
		s.log.InfoContext(ctx, "no payment waits for another gateway any more")
		return
	}
	s.log.ErrorContext(ctx, "payments wait for a gateway that is not configured: they are neither sent nor looked up; configure "+
		"that gateway again, with PAYMENTD_GATEWAY or in the gateways file, until they are final, or resolve them by hand",
		"payments", n, "configured_gateways", configured)
}
