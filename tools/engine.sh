#!/bin/sh
# Builds a database engine, tidb or vitess, of the version in tools/engines, and prints the path of its
# program:
#
#	TEST_TIDB_SERVER=$(tools/engine.sh tidb)
#
# A build takes four minutes or more on two idle cores. The program is kept in ~/.cache/paymentd, outside
# of the checkout, by the versions of all its modules.
set -eu

engine=${1-}
case $engine in
tidb)
	package=github.com/pingcap/tidb/cmd/tidb-server
	flags=-checklinkname=0 # TiDB uses functions of the runtime by go:linkname
	;;
vitess)
	package=vitess.io/vitess/go/cmd/vtcombo
	flags=
	;;
*)
	echo 'usage: tools/engine.sh tidb|vitess' >&2
	exit 2
	;;
esac

module=$(dirname "$0")/engines/$engine
versions=$(cat "$module/go.mod" "$module/go.sum" | cksum | tr ' ' -)
home=${XDG_CACHE_HOME:-$HOME/.cache}/paymentd/engines/$engine-$versions
program=$home/${package##*/}
if ! [ -x "$program" ]; then
	echo "engine: building $package, which takes some minutes" >&2
	mkdir -p "$home"
	new=$(mktemp "$program.XXXXXX")
	trap 'rm -f "$new"' EXIT
	# Without the symbol tables, which are half of the program.
	GOWORK=off CGO_ENABLED=0 go -C "$module" build -ldflags "-s -w $flags" -o "$new" "$package" >&2
	# Moved into place when it is complete. A concurrent run leaves the same result. Vitess runs as another user.
	chmod 755 "$new"
	mv "$new" "$program"
fi
echo "$program"
