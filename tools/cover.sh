#!/bin/sh
# Measures how much of core and ports is run by their own tests and by the
# contract's, lists what is not, and fails below the given percentage. No server
# is needed: the fakes stand in.
#
# usage: cover.sh PERCENT   (in the root of the checkout)
set -eu

profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

# Not core/simulation and ports/portstest: they are tests themselves.
go test -coverpkg=./core,./core/apikey,./core/keycache,./core/payment,./ports -coverprofile="$profile" \
	./core ./core/apikey ./core/keycache ./core/payment ./ports ./adapters/fake
go tool cover -func="$profile" | awk -v least="$1" '
	$1 == "total:" { total = $NF + 0; next }
	$NF != "100.0%"
	END {
		print "core and ports: " total " % covered, " least " % asked for"
		exit total < least
	}'
