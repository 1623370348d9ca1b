// Package apptest runs the real paymentd for tests, as processes that can be killed, paused and started
// again. Only the network and the disk connect them to the test.
//
//	binary := apptest.Build(t)
//	gateway := apptest.StartGateway(t)
//	p := apptest.Start(t, binary, map[string]string{
//		"PAYMENTD_DATABASE": mysqltest.Database(t),
//		"PAYMENTD_GATEWAY":  gateway.URL,
//	}, "serve")
//	p.WaitReady(t)
//	answer := apptest.Pay(t.Context(), p.URL, "order-1", "100.00")
//
// A process sees only the variables that it is given, and works in a folder of its own. It is killed when
// the test binary exits for any reason.
package apptest
