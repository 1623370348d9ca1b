#!/bin/sh
# Builds the previous version, which `make test/upgrade` runs beside this one, and prints the path of its
# binary. The previous version is the last tag before this commit, or the commit below if there is no tag.
#
# The binary is kept in ~/.cache/paymentd, outside of the checkout.
set -eu

pinned=e1f2cd996cf6d791079326a61aaa4c1c8ab9d729

version=$(git describe --tags --abbrev=0 'HEAD^' 2>/dev/null || echo "$pinned")
if ! commit=$(git rev-parse --verify --quiet "$version^{commit}"); then
	echo "previous: this clone does not have the commit $version of the previous version;" >&2
	echo "previous: fetch it with \`git fetch --unshallow --tags\`, or \`git fetch origin $version\`" >&2
	exit 1
fi

home=${XDG_CACHE_HOME:-$HOME/.cache}/paymentd/previous/$commit
if ! [ -x "$home/paymentd" ]; then
	echo "previous: building $version" >&2
	mkdir -p "${home%/*}"
	new=$(mktemp -d "$home.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	mkdir "$new/source"
	git archive "$commit" | tar -x -C "$new/source"
	(cd "$new/source" && GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false \
		-ldflags "-X main.version=$version" -o "$new/paymentd" ./app/paymentd) >&2
	rm -r "$new/source"
	# Moved into place when it is complete. A concurrent run leaves the same result.
	mv -T "$new" "$home" 2>/dev/null || [ -x "$home/paymentd" ]
fi
echo "$home/paymentd"
