package httpgateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/core/payment"
	"paymentd/internal/standardwebhooks"
)

func TestReadEvent(t *testing.T) {
	t.Parallel()
	const none = payment.LookupResult("")
	secret, err := standardwebhooks.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	of := func(kind string) string { return `{"type":"` + kind + `","order_id":"order-1","key":"key-1"}` }
	for name, tt := range map[string]struct {
		body string
		kind payment.Kind
		says payment.LookupResult
		err  error
	}{
		"succeeded":         {of("charge.succeeded"), "", payment.FoundApproved, nil},
		"declined":          {of("charge.declined"), "", payment.FoundDeclined, nil},
		"pending":           {of("charge.pending"), "", payment.FoundPending, nil},
		"voided":            {of("charge.voided"), "", payment.FoundVoided, nil},
		"refund succeeded":  {of("refund.succeeded"), payment.KindRefund, payment.FoundApproved, nil},
		"refund declined":   {of("refund.declined"), payment.KindRefund, payment.FoundDeclined, nil},
		"refund pending":    {of("refund.pending"), payment.KindRefund, payment.FoundPending, nil},
		"refund returned":   {of("refund.returned"), payment.KindRefund, payment.FoundReturned, nil},
		"authorized":        {of("charge.authorized"), "", payment.FoundAuthorized, nil},
		"capture succeeded": {of("capture.succeeded"), payment.KindCapture, payment.FoundApproved, nil},
		"capture declined":  {of("capture.declined"), payment.KindCapture, payment.FoundDeclined, nil},
		"capture pending":   {of("capture.pending"), payment.KindCapture, payment.FoundPending, nil},
		"void succeeded":    {of("void.succeeded"), payment.KindVoid, payment.FoundApproved, nil},
		"void declined":     {of("void.declined"), payment.KindVoid, payment.FoundDeclined, nil},
		"void pending":      {of("void.pending"), payment.KindVoid, payment.FoundPending, nil},
		"capture returned":  {of("capture.returned"), "", none, nil},
		"refund voided":     {of("refund.voided"), "", none, nil},
		"charge returned":   {of("charge.returned"), "", none, nil},
		"refund, no key":    {`{"type":"refund.succeeded","order_id":"order-1"}`, "", none, httpgateway.ErrEvent},
		"further members":   {strings.Replace(of("charge.voided"), "{", `{"x":[1],`, 1), "", payment.FoundVoided, nil},
		"an unknown type":   {of("charge.archived"), "", none, nil},
		"a type of others":  {`{"type":"payout.paid"}`, "", none, nil},
		"no type":           {`{"order_id":"order-1","key":"key-1"}`, "", none, httpgateway.ErrEvent},
		"a number as type":  {`{"type":1,"order_id":"order-1","key":"key-1"}`, "", none, httpgateway.ErrEvent},
		"no order":          {`{"type":"charge.succeeded","key":"key-1"}`, "", none, httpgateway.ErrEvent},
		"no key":            {`{"type":"charge.succeeded","order_id":"order-1"}`, "", none, httpgateway.ErrEvent},
		"a repeated member": {`{"type":"charge.succeeded","type":"charge.voided"}`, "", none, httpgateway.ErrEvent},
		"a list":            {`[]`, "", none, httpgateway.ErrEvent},
		"nothing":           {``, "", none, httpgateway.ErrEvent},
	} {
		header := http.Header{}
		secret.Sign(header, "evt-1", now, []byte(tt.body))
		e, err := httpgateway.ReadEvent([]standardwebhooks.Secret{secret}, header, []byte(tt.body), now)
		require.ErrorIs(t, err, tt.err, name)
		require.Equal(t, tt.says, e.Says, name)
		if err == nil {
			require.Equal(t, tt.kind, e.Operation, name)
		}
		if tt.says != none {
			require.Equal(t, "evt-1", e.ID, name)
			require.Equal(t, "order-1", e.OrderID, name)
			require.Equal(t, payment.GatewayKey("key-1"), e.Key, name)
		}
		_, err = httpgateway.ReadEvent([]standardwebhooks.Secret{secret}, header, []byte(tt.body), now.Add(6*time.Minute))
		require.ErrorIs(t, err, standardwebhooks.ErrTime, name)
		_, err = httpgateway.ReadEvent(nil, header, []byte(tt.body), now)
		require.ErrorIs(t, err, standardwebhooks.ErrUnsigned, name)
	}
}
