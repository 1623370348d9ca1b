package admin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/admin"
	"paymentd/core/endpoint"
)

func TestAct_Differences(t *testing.T) {
	t.Parallel()
	act := admin.Act{Before: admin.Fields{"a": "1", "b": "2", "c": "3"}, After: admin.Fields{"b": "2", "c": "4", "d": "5"}}
	require.Equal(t, []admin.Difference{{"a", "1", ""}, {"c", "3", "4"}, {"d", "", "5"}}, act.Differences())
}

func TestReadFields_DamagedTextIsAField(t *testing.T) {
	t.Parallel()
	require.Equal(t, admin.Fields{"unreadable": "the stored text is damaged"}, admin.ReadFields([]byte("{")))
	require.Equal(t, admin.Fields{"a": "<1>"}, admin.ReadFields(admin.Fields{"a": "<1>"}.Encode()))
	require.Equal(t, "{}", string(admin.Fields(nil).Encode()))
}

// A rotated secret is no field, and an endpoint that was switched off has the name of no person.
func TestChangeEndpoint_Kinds(t *testing.T) {
	t.Parallel()
	before := endpoint.New("https://shop.example", endpoint.Patterns{"*"})
	for change, want := range map[endpoint.Change]admin.Kind{
		{State: endpoint.StateDisabled, By: "ada"}:                    admin.EndpointDisabled,
		{State: endpoint.StateDeleted, By: "ada"}:                     admin.EndpointDeleted,
		{Secret: endpoint.NewSecret(), Overlap: time.Hour, By: "ada"}: admin.EndpointRotated,
	} {
		after, changed, err := change.Apply(before, time.Unix(1000, 0))
		require.NoError(t, err)
		require.True(t, changed)
		act, byPerson := admin.ChangeEndpoint(before, after, change)
		require.True(t, byPerson)
		require.Equal(t, want, act.Kind)
		require.Equal(t, "ada", act.By)
		require.NotContains(t, string(act.After.Encode()), "whsec_")
	}
	_, byPerson := admin.ChangeEndpoint(before, before, endpoint.Change{Attempted: true})
	require.False(t, byPerson)
}
