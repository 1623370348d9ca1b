// Package tracing sends OpenTelemetry traces over OTLP, one trace for each payment.
//
// The trace id is the gateway key, which is stored before the first attempt and is the same for
// every retry, every run of the queue and every replica that takes over. Therefore all of them
// contribute to one trace without communicating. Its root is the request that the key was created
// for. Spans that a process had not sent when it was killed are missing, but the trace continues. A
// request after a decline has a new key, and therefore a new trace.
//
// The client's own trace is linked, not continued, because a payment may outlast its request, and
// several requests may be about one payment.
package tracing
