#!/bin/sh
# Measures how much of core and ports the tests run, lists what they do not, and
# fails below the given percentage. No server is needed: the fakes stand in.
#
# usage: cover.sh PERCENT   (in the root of the checkout)
set -eu

profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

go test -coverpkg=./core/...,./ports/... -coverprofile="$profile" ./core/... ./ports/... ./adapters/fake/...
go tool cover -func="$profile" | awk -v least="$1" '
	$1 == "total:" { total = $NF + 0; next }
	$NF != "100.0%"
	END {
		print "core and ports: " total " % covered, " least " % asked for"
		exit total < least
	}'
