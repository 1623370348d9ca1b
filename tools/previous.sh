#!/bin/sh
# Builds the version before this one, which `make test/upgrade` runs beside it, and prints the path
# of its binary. That is the last tag before this commit or, as long as there is none, the commit
# below: replicas of it are what an upgrade meets.
#
# The binary is kept in ~/.cache/paymentd, outside of the checkout.
set -eu

pinned=e1f2cd996cf6d791079326a61aaa4c1c8ab9d729

version=$(git describe --tags --abbrev=0 'HEAD^' 2>/dev/null || echo "$pinned")
if ! commit=$(git rev-parse --verify --quiet "$version^{commit}"); then
	echo "previous: this clone has no commit $version, which the upgrade is tested from;" >&2
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
	(cd "$new/source" && CGO_ENABLED=0 go build -trimpath -buildvcs=false \
		-ldflags "-X main.version=$version" -o "$new/paymentd" ./app/paymentd) >&2
	rm -r "$new/source"
	# Moved into place when it is whole. Another run that was first has left the same.
	mv -T "$new" "$home" 2>/dev/null || [ -x "$home/paymentd" ]
fi
echo "$home/paymentd"
