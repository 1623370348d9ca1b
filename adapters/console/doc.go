// Package console serves the pages at /console, on which people watch payments and act on them.
//
// The pages are rendered on the server with html/template. They work without JavaScript; with it, htmx replaces
// parts of a page while it is open. Everything that a page needs is embedded, and no request leaves the host.
//
// A person signs in with an API key that has the scope read or admin. Reads need either; acts need admin. Every act
// is made by a use case of the core, which keeps it in the history with the name of the key.
//
//   - console.go has the routes, visit.go what every request passes, page.go how pages are rendered.
//   - signin.go, session.go and csrf.go are about who asks.
//   - One file per page: now.go, waiting.go, list.go, payment.go, search.go, keys.go; act.go has the acts.
package console
