#!/bin/sh
# Proves that the rules on imports in .golangci.yml can fail.
#
# A rule whose pattern matches no file is silent, just like one that is kept. So
# this lints packages that break every rule (in testdata), in the places that the
# rules are about, and compares what is found with the lines marked "// denied".
# Each folder in adapters/ must have its rule. The packages that are imported do
# not exist: with them, most broken arrows would be import cycles, at which the
# linter stops before it looks at the rules.
#
# It is run in the root of the checkout.
set -eu

tools=$PWD/tools/go.mod
house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT

cp -R tools/canary/testdata/. .golangci.yml "$house"
printf 'module paymentd\n\ngo 1.26.0\n' >"$house/go.mod"
for adapter in adapters/*/; do
	name=$(basename "$adapter")
	mkdir -p "$house/adapters/$name"
	sed "s/THIS/$name/" "$house/adapter/canary.go" >"$house/adapters/$name/canary.go"
done
rm -r "$house/adapter"
cd "$house"

grep -rn '// denied' --include='*.go' . | sed 's|^\./||' | cut -d: -f1,2 | sort >want
GOWORK=off CGO_ENABLED=0 go tool -modfile="$tools" golangci-lint run --enable-only depguard \
	--issues-exit-code 0 --show-stats=false --output.text.path found.txt \
	--output.text.print-issued-lines=false ./... || {
	cat found.txt
	exit 1
}
cut -d: -f1,2 found.txt | sort >got

if ! diff -u want got; then
	echo "The rules on imports do not find what they should: a line with - is a broken rule that goes" >&2
	echo "unnoticed, one with + an import that should be allowed. See tools/canary and .golangci.yml." >&2
	exit 1
fi
echo "the rules on imports find all $(grep -c . want) mistakes of tools/canary"
