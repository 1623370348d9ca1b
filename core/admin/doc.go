// Package admin is the domain of the record of what people do with API keys and webhook endpoints: who, what, when, and
// how it was before and after. It does no I/O, and a record has no secret.
package admin
