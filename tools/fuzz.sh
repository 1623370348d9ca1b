#!/bin/sh
# Runs each fuzz target for the given time, one after the other, because go test runs one target at a
# time. Inputs that fail are kept in testdata.
#
# usage: fuzz.sh TIME   (in the root of the checkout)
set -eu

grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u | while read -r package; do
	grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$package"/*_test.go | cut -d' ' -f2 | while read -r target; do
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "$package"
	done
done
