// Package natssink is ports.Sender over NATS JetStream: it publishes events, with the body and the signature that a webhook
// has, to a subject per type of event. A delivery is accepted when a stream has acknowledged it (NATS docs, "JetStream",
// "Publishing to streams"). The id of the event is the header Nats-Msg-Id, so that a stream discards an event that it has
// received within its duplicate window (NATS docs, "JetStream Model Deep Dive", "Message Deduplication").
//
// Its connections follow the rule on addresses of package egress. Servers that a cluster announces are ignored, because
// they were not allowed by name.
package natssink
