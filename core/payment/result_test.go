package payment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestClass_RetryableAndUnknown(t *testing.T) {
	t.Parallel()
	tests := map[payment.Class]struct{ retryable, unknown bool }{
		payment.ClassApproved:          {false, false},
		payment.ClassDeclined:          {false, false},
		payment.ClassRejected:          {false, false},
		payment.ClassNotCharged:        {true, false},
		payment.ClassUnknownAnswered:   {true, true},
		payment.ClassUnknownUnanswered: {true, true},
		payment.ClassPending:           {false, true},
		payment.ClassKeyReused:         {false, true},
	}
	require.Len(t, tests, len(allClasses))
	for class, test := range tests {
		require.Equal(t, test.retryable, class.Retryable(), class)
		require.Equal(t, test.unknown, class.Unknown(), class)
	}
}
