package payment

// RegisterOperation adds a kind of operation, as its file of the domain would in the table of kinds. It must be called
// before any test runs.
func RegisterOperation(
	kind Kind, needs Operations, begin func(charge Payment, asked Money) (Money, error),
	account func(charge, before, after Payment) (Payment, bool),
) {
	operations[kind] = operationRules{needs: needs, begin: begin, account: account}
}
