#!/bin/sh
# Measures the coverage of core and ports by their own tests and the contract's, lists the functions
# that are not fully covered, and fails below the given percentage. It needs no server, because the
# tests use fakes.
#
# usage: cover.sh PERCENT   (in the root of the checkout)
set -eu

profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

# Without core/simulation and ports/portstest, which are tests; the properties of the domain are in the former.
go test -coverpkg=./core,./core/apikey,./core/keycache,./core/payment,./ports -coverprofile="$profile" \
	./core ./core/apikey ./core/keycache ./core/payment ./ports ./adapters/fake ./core/simulation/properties
go tool cover -func="$profile" | awk -v least="$1" '
	$1 == "total:" { total = $NF + 0; next }
	$NF != "100.0%"
	END {
		print "core and ports: " total " % covered, " least " % required"
		exit total < least
	}'
