#!/bin/sh
# Checks the prose of comments, errors, log lines and documents with Vale and the rules in styles/, as
# file:line:column:rule:message. First it proves that the rules can fail: they must find each line of
# testdata that is marked HABIT, and no other.
#
# Vale parses Go with a C library, so it needs cgo, unlike the other tools. Go builds it at its first use
# (about two minutes of CPU time) and keeps it in its build cache. Run this in the root of the checkout.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }
. tools/apt.sh

if ! has "$(go env CC)" && ! { install gcc libc6-dev && has gcc; }; then
	echo 'prose: no C compiler, and none could be installed: the prose was NOT checked' >&2
	[ -z "${CI:-}" ] # in CI a check that was skipped is an error
	exit
fi

# A workspace is for the modules of the product.
export GOWORK=off
vale=$(CGO_ENABLED=1 CGO_CFLAGS='-O0 -w' go -C tools/prose tool -n vale)
config=$PWD/tools/prose/vale.ini
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# lint FROM: prints what Vale finds in the folder FROM; the status is Vale's.
lint() {
	rm -rf "$folder/text"
	mkdir "$folder/text"
	go -C tools/prose run . extract "$(realpath "$1")" "$folder/text"
	status=0
	(cd "$folder/text" && "$vale" --no-global --config "$config" --output line .) >"$folder/found" || status=$?
	sed 's/^\([^:]*\)\.txt:/\1:/' "$folder/found"
	return $status
}

lint tools/prose/testdata >"$folder/canary" || [ $? -eq 1 ]
cut -d: -f1,2 "$folder/canary" | sort -u >"$folder/got"
(cd tools/prose/testdata && grep -n HABIT -- *) | cut -d: -f1,2 | sort -u >"$folder/want"
if ! diff -u "$folder/want" "$folder/got" >&2; then
	echo 'prose: the rules do not find what they must: a line with - is a habit that goes unnoticed, one with +' >&2
	echo 'prose: is flagged although it is fine. See tools/prose/testdata and tools/prose/styles.' >&2
	exit 1
fi

if ! lint .; then
	echo 'prose: see "How we write" in CONTRIBUTING.md' >&2
	exit 1
fi
echo "the prose is plain, and the rules find all $(grep -c . "$folder/want") habits of tools/prose/testdata"
