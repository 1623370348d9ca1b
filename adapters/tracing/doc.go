// Package tracing sends OpenTelemetry traces over OTLP: one trace for a payment, whoever works on
// it.
//
// The trace is named after the gateway key, which is stored before the first attempt and the same
// for every retry, every run of the queue and every replica that takes over. So all of them tell of
// one trace without a word between them. Its root is the request that the key was made for; what a
// process had not sent when it was killed is missing, and the trace goes on without it. After a
// decline, a new request has a new key, and is a new trace.
//
// A client's own trace is linked to, not continued: a payment outlives its request, and several
// requests may ask for one.
package tracing
