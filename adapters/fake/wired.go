package fake

import (
	"context"
	"errors"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// wiredPayments is a repository behind a wire.
type wiredPayments struct {
	wire *Wire
	next ports.Payments
}

// callWrite makes a call that returns only an error.
func (p wiredPayments) callWrite(
	ctx context.Context, method string, id payment.OrderID, do func() error,
) error {
	_, err := call(ctx, p.wire, Call{Method: method, OrderID: id, Writes: true},
		func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (p wiredPayments) Claim(
	ctx context.Context, request payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	return callWithVerdict(ctx, p.wire, "Claim", request.OrderID, func() (*payment.Payment, payment.Verdict, error) {
		return p.next.Claim(ctx, request)
	})
}

func (p wiredPayments) RecordLookup(
	ctx context.Context, r payment.LookupRecord,
) (payment.Payment, payment.Verdict, error) {
	return callWithVerdict(ctx, p.wire, "RecordLookup", r.OrderID, func() (payment.Payment, payment.Verdict, error) {
		return p.next.RecordLookup(ctx, r)
	})
}

func (p wiredPayments) RecordApproval(
	ctx context.Context, a payment.Approval,
) (payment.Payment, payment.Verdict, error) {
	return callWithVerdict(ctx, p.wire, "RecordApproval", a.OrderID, func() (payment.Payment, payment.Verdict, error) {
		return p.next.RecordApproval(ctx, a)
	})
}

func (p wiredPayments) Notify(ctx context.Context, n payment.Notice) (payment.Verdict, error) {
	return call(ctx, p.wire, Call{Method: "Notify", OrderID: n.OrderID, Writes: true},
		func() (payment.Verdict, error) { return p.next.Notify(ctx, n) })
}

// callWithVerdict makes a call that returns a payment and a verdict.
func callWithVerdict[P any](
	ctx context.Context, wire *Wire, method string, id payment.OrderID, do func() (P, payment.Verdict, error),
) (P, payment.Verdict, error) {
	type answer struct {
		payment P
		verdict payment.Verdict
	}
	a, err := call(ctx, wire, Call{Method: method, OrderID: id, Writes: true}, func() (a answer, err error) {
		a.payment, a.verdict, err = do()
		return a, err
	})
	return a.payment, a.verdict, err
}

func (p wiredPayments) ClaimDue(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	return call(ctx, p.wire, Call{Method: "ClaimDue", Writes: true},
		func() ([]payment.Decision, error) { return p.next.ClaimDue(ctx, policy, limit) })
}

func (p wiredPayments) NextDue(ctx context.Context, policy payment.PickUpPolicy) (time.Duration, bool, error) {
	type answer struct {
		in    time.Duration
		found bool
	}
	a, err := call(ctx, p.wire, Call{Method: "NextDue"}, func() (a answer, err error) {
		a.in, a.found, err = p.next.NextDue(ctx, policy)
		return a, err
	})
	return a.in, a.found, err
}

func (p wiredPayments) Backlog(ctx context.Context) ([]ports.Backlog, error) {
	return call(ctx, p.wire, Call{Method: "Backlog"},
		func() ([]ports.Backlog, error) { return p.next.Backlog(ctx) })
}

func (p wiredPayments) Renew(ctx context.Context, r payment.Renewal) error {
	return p.callWrite(ctx, "Renew", r.OrderID, func() error { return p.next.Renew(ctx, r) })
}

func (p wiredPayments) Settle(ctx context.Context, s payment.Settlement) error {
	return p.callWrite(ctx, "Settle", s.OrderID, func() error { return p.next.Settle(ctx, s) })
}

func (p wiredPayments) Resolve(ctx context.Context, r payment.Resolution) error {
	return p.callWrite(ctx, "Resolve", r.OrderID, func() error { return p.next.Resolve(ctx, r) })
}

func (p wiredPayments) Import(ctx context.Context, i payment.Import) (payment.Verdict, error) {
	return call(ctx, p.wire, Call{Method: "Import", OrderID: i.OrderID, Writes: true},
		func() (payment.Verdict, error) { return p.next.Import(ctx, i) })
}

func (p wiredPayments) Archivable(ctx context.Context, q ports.ArchiveQuery) (ports.ArchivePage, error) {
	return call(ctx, p.wire, Call{Method: "Archivable"},
		func() (ports.ArchivePage, error) { return p.next.Archivable(ctx, q) })
}

func (p wiredPayments) Archive(ctx context.Context, a payment.Archival) error {
	return p.callWrite(ctx, "Archive", a.OrderID, func() error { return p.next.Archive(ctx, a) })
}

func (p wiredPayments) Find(ctx context.Context, id payment.OrderID) (payment.Payment, error) {
	return call(ctx, p.wire, Call{Method: "Find", OrderID: id},
		func() (payment.Payment, error) { return p.next.Find(ctx, id) })
}

func (p wiredPayments) FindOperation(ctx context.Context, ref payment.Ref) (payment.Payment, error) {
	return call(ctx, p.wire, Call{Method: "FindOperation", OrderID: ref.OrderID},
		func() (payment.Payment, error) { return p.next.FindOperation(ctx, ref) })
}

func (p wiredPayments) History(ctx context.Context, id payment.OrderID) (ports.History, error) {
	return call(ctx, p.wire, Call{Method: "History", OrderID: id},
		func() (ports.History, error) { return p.next.History(ctx, id) })
}

func (p wiredPayments) List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error) {
	return call(ctx, p.wire, Call{Method: "List"},
		func() (ports.ListPage, error) { return p.next.List(ctx, q) })
}

func (p wiredPayments) CountForeign(ctx context.Context, configured []payment.GatewayID) (int, error) {
	return call(ctx, p.wire, Call{Method: "CountForeign"},
		func() (int, error) { return p.next.CountForeign(ctx, configured) })
}

func (p wiredPayments) Transactions(
	ctx context.Context, after payment.OrderID, limit int,
) ([]ports.Transaction, error) {
	return call(ctx, p.wire, Call{Method: "Transactions"},
		func() ([]ports.Transaction, error) { return p.next.Transactions(ctx, after, limit) })
}

func (p wiredPayments) Heartbeat(ctx context.Context, replica string) error {
	return p.callWrite(ctx, "Heartbeat", "", func() error { return p.next.Heartbeat(ctx, replica) })
}

func (p wiredPayments) Heartbeats(ctx context.Context, asking string) ([]ports.Heartbeat, error) {
	return call(ctx, p.wire, Call{Method: "Heartbeats"},
		func() ([]ports.Heartbeat, error) { return p.next.Heartbeats(ctx, asking) })
}

func (p wiredPayments) Release(ctx context.Context, h ports.Heartbeat) (bool, error) {
	return call(ctx, p.wire, Call{Method: "Release", Writes: true},
		func() (bool, error) { return p.next.Release(ctx, h) })
}

func (p wiredPayments) TryWrite(ctx context.Context) error {
	_, err := call(ctx, p.wire, Call{Method: "TryWrite"},
		func() (struct{}, error) { return struct{}{}, p.next.TryWrite(ctx) })
	return err
}

func (p wiredPayments) Leave(ctx context.Context, replica string) error {
	return p.callWrite(ctx, "Leave", "", func() error { return p.next.Leave(ctx, replica) })
}

func (p wiredPayments) Ready(ctx context.Context) error {
	_, err := call(ctx, p.wire, Call{Method: "Ready"},
		func() (struct{}, error) { return struct{}{}, p.next.Ready(ctx) })
	return err
}

// wiredGateway is a gateway behind a wire.
type wiredGateway struct {
	wire *Wire
	next ports.Gateway
}

func (g wiredGateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	r, err := call(ctx, g.wire, Call{Method: "Charge", OrderID: c.OrderID, Key: c.Key, Writes: true},
		func() (payment.Result, error) { return g.next.Charge(ctx, c), nil })
	switch {
	case errors.Is(err, ports.ErrUnavailable):
		return payment.Result{Class: payment.ClassNotCharged, Message: "the gateway was not reached"}
	case err != nil:
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: "the answer was lost"}
	}
	return r
}

func (g wiredGateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	l, err := call(ctx, g.wire, Call{Method: "LookUp", Key: ref.Key},
		func() (payment.Lookup, error) { return g.next.LookUp(ctx, ref), nil })
	if err != nil {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: "the answer was lost"}
	}
	return l
}

func (g wiredGateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	l, err := call(ctx, g.wire, Call{Method: "Cancel", Key: ref.Key},
		func() (payment.Lookup, error) { return g.next.Cancel(ctx, ref), nil })
	if err != nil {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: "the answer was lost"}
	}
	return l
}

func (g wiredGateway) Capabilities() payment.Capabilities { return g.next.Capabilities() }
