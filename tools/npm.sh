#!/bin/sh
# Runs a command with the programs of tools/npm/package.json in its PATH, and their folder in
# NODE_MODULES:
#
#	tools/npm.sh redocly --version
#
# PACKAGES names another folder than tools/npm, such as tools/prism.
#
# The packages are those of package-lock.json, byte for byte. They are kept in ~/.cache/paymentd, and
# their install scripts do not run. If node is missing, apt installs it. If that fails, this prints that
# the command was not run, and exits with an error in CI.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

. "$(dirname "$0")/apt.sh"

if ! { has node && has npm; } && ! { install nodejs npm && has npm; }; then
	echo "npm: node and npm are missing and could not be installed; NOT run: $*" >&2
	[ -z "${CI:-}" ] # in CI this message would go unread, so it is an error
	exit
fi

lock=$PWD/${PACKAGES:-tools/npm}/package-lock.json
home=${XDG_CACHE_HOME:-$HOME/.cache}/paymentd/npm-$(cksum <"$lock" | tr -c "0-9\n" -)
if ! [ -d "$home" ]; then
	mkdir -p "${home%/*}"
	new=$(mktemp -d "$home.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	cp "$lock" "${lock%/*}/package.json" "$new"
	npm ci --prefix "$new" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	[ -d "$home" ] || mv "$new" "$home" # another run may have been faster
	rm -rf "$new"
	trap - EXIT
fi

export NODE_MODULES="$home/node_modules" PATH="$home/node_modules/.bin:$PATH"
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true # it asks no other host
exec "$@"
