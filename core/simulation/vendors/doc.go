// Package vendors contains tests only. It runs the whole service in virtual time (testing/synctest) with the
// production adapters over the stateful fakes of their gateways: httpgateway over the sandbox, stripegateway over
// stripefake, squaregateway over squarefake, alone and two with failover. The adapters send real HTTP over
// connections in memory.
//
// crash_points_test.go runs the life of one order once for each fault: a crash of the worker before and after every
// write to the database and every HTTP request, and every way in which a request or its answer can go wrong.
// simulation_test.go runs several orders, replicas and clients with faults at random, and gateways of any kinds.
// check_test.go compares the ledgers of the fakes, what is stored, and what clients were answered. bugs_test.go shows
// that these checks can fail.
//
//	go test ./core/simulation/vendors                                          a sample
//	go test ./core/simulation/vendors -run Simulation -v -seed=4711            that seed alone
//	make test/vendors                                                          all of it, which takes long
package vendors
