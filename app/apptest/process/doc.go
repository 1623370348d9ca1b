// Package process runs paymentd, and the programs around it, as processes of their own. It is for
// tests (see package apptest) and for the benchmark.
//
// A process sees only the variables that it is given. It is killed when the process that started it
// exits for any reason.
package process
