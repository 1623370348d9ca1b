#!/bin/sh
# Proves that the rules on imports in .golangci.yml can fail.
#
# A rule whose pattern matches no file reports nothing. This lints packages in testdata that break every
# rule, at the paths of the rules, and compares the findings with the lines marked "// denied". Each
# folder in adapters/ must have a rule. The imported packages do not exist, because most forbidden imports
# would be import cycles, at which the linter stops.
#
# Run it in the root of the checkout.
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
	echo "The findings of the rules on imports differ: - is a violation that is not found, + is a finding for an" >&2
	echo "allowed import. See tools/canary and .golangci.yml." >&2
	exit 1
fi
echo "the rules on imports find all $(grep -c . want) violations in tools/canary"
