#!/bin/sh
# Checks that CONTRIBUTING.md has a row for each direct dependency of the product, and no other.
# Run it in the root of the checkout.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

GOWORK=off go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all | sort >"$work/modules"
sed -n '/^## Dependencies/,/^## [^D]/s/^| `\([^`]*\)` |.*/\1/p' CONTRIBUTING.md | sort >"$work/rows"
if ! diff -u "$work/rows" "$work/modules"; then
	echo 'dependencies: the table "Dependencies" of CONTRIBUTING.md differs from go.mod: add a row with the reason for each +, remove each -' >&2
	exit 1
fi
