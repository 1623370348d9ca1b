#!/bin/sh
# Runs a command with the path of stripe-mock in STRIPE_MOCK. stripe-mock checks requests against Stripe's
# OpenAPI file:
#
#	tools/stripe-mock.sh go test ./adapters/stripegateway -run StripeMock
#
# It is built with go install at its first use, and kept in ~/.cache/paymentd. If that fails, this prints
# that the command was not run, and exits with an error in CI.
set -eu

version=v0.203.0
home=${XDG_CACHE_HOME:-$HOME/.cache}/paymentd/stripe-mock-$version

if ! [ -x "$home/stripe-mock" ]; then
	mkdir -p "${home%/*}"
	new=$(mktemp -d "$home.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	# Outside of the checkout and its workspace.
	if ! (cd "$new" && GOWORK=off CGO_ENABLED=0 GOBIN="$new" go install "github.com/stripe/stripe-mock@$version" >&2); then
		echo "stripe-mock: $version could not be built; NOT run: $*" >&2
		[ -z "${CI:-}" ] # in CI this message would go unread, so it is an error
		exit
	fi
	chmod 755 "$new"
	[ -d "$home" ] || mv "$new" "$home" # another run may have been faster
	rm -rf "$new"
	trap - EXIT
fi

STRIPE_MOCK="$home/stripe-mock" exec "$@"
