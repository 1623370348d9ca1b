#!/bin/sh
# Installs what the tests need besides Go and make, if it is missing and apt is available: a C compiler
# for the race detector, a browser, and a server that speaks the MySQL protocol.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

# Debian installs servers in folders that are not on a user's PATH.
has_server() {
	PATH=$PATH:/usr/sbin:/usr/libexec
	has mysqld || has mariadbd
}

# The tools of MySQL or MariaDB for backup and restore.
has_tools() {
	{ has mariadb-dump && has mariadb-binlog; } || { has mysqldump && has mysqlbinlog; }
}

# A container engine that has the image, or can pull it, replaces a server.
has_engine() {
	image=${TEST_MYSQL_IMAGE:-mysql:8.4}
	has docker && docker info >/dev/null 2>&1 || return 1
	docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image"
}

has_compiler() {
	echo '#include <stdlib.h>' | "$(go env CC)" -fsyntax-only -x c - >/dev/null 2>&1
}

. "$(dirname "$0")/apt.sh"

has_browser() { has chromium || has chromium-browser || has google-chrome; }

if ! has_compiler && ! install gcc libc6-dev; then
	echo 'provision: a C compiler is missing and could not be installed; the tests run WITHOUT the race detector' >&2
	[ -z "${CI:-}" ] # in CI this message would go unread, so it is an error
fi

if ! has_browser && ! install chromium; then
	echo 'provision: Chromium is missing and could not be installed; the tests of the pages at /docs and /console will fail' >&2
	[ -z "${CI:-}" ]
fi

# Also with TEST_MYSQL_URL, because tests that kill their server start one.
if [ -n "${TEST_MYSQL_IMAGE:-}" ]; then
	if ! has_engine; then
		echo "provision: TEST_MYSQL_IMAGE is set, but no container engine has $TEST_MYSQL_IMAGE or can pull it" >&2
		exit 1
	fi
elif ! has_server && ! has_engine && ! install mariadb-server-core mariadb-client; then
	echo 'provision: mysqld, mariadbd, and a container engine with mysql:8.4 are missing and could not be installed;' >&2
	echo 'provision: install a MySQL or MariaDB server (it need not be running), then try again' >&2
	[ -n "${TEST_MYSQL_URL:-}" ] # then most of the tests can run
fi

if [ -z "${TEST_MYSQL_IMAGE:-}" ] && has_server && ! has_tools && ! install mariadb-client; then
	echo 'provision: mariadb-dump and mariadb-binlog (or mysqldump and mysqlbinlog) are missing and could not be installed;' >&2
	echo 'provision: the test of backup and restore will fail' >&2
	[ -z "${CI:-}" ]
fi
