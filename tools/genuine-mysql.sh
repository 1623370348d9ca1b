#!/bin/sh
# Fetches MySQL 9 from Debian unstable, and prints the folder with its mysqld, mysql, mysqldump and
# mysqlbinlog:
#
#	PATH=$(tools/genuine-mysql.sh):$PATH make test
#
# Nothing is installed. The packages, 60 MB with the libraries, are unpacked into ~/.cache/paymentd, and
# the server runs on its own C library. This works on Debian for any user. On other systems, set
# TEST_MYSQL_IMAGE=mysql:9 to use a container engine. To fetch a newer version, remove the folder.
set -eu

home=${XDG_CACHE_HOME:-$HOME/.cache}/paymentd/genuine-mysql-and-tools

if [ -x "$home/bin/mysqld" ]; then
	echo "$home/bin"
	exit
fi
mkdir -p "${home%/*}"
new=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$new"' EXIT

if ! "$(dirname "$0")/debian-tree.sh" "$new/tree" unstable mysql-server-core mysql-client mysql-client-core; then
	echo "genuine-mysql: on systems other than Debian, set TEST_MYSQL_IMAGE=mysql:9" >&2
	exit 1
fi
mkdir -p "$new/bin"

cat >"$new/bin/mysqld" <<'END'
#!/bin/sh
# The server, with the libraries that were fetched and none of this machine.
tree=$(dirname "$(dirname "$(readlink -f "$0")")")/tree
set -- "$@" --basedir="$tree/usr"
for library in "$tree"/usr/lib/*-linux-gnu*; do
	exec "$tree"/usr/lib*/ld-linux*.so.? --inhibit-cache --library-path "$library" "$tree/usr/sbin/mysqld" "$@"
done
END
# The same for its tools, which have no option --basedir.
for tool in mysql mysqldump mysqlbinlog; do
	sed -e '/^set --/d' -e "s|usr/sbin/mysqld|usr/bin/$tool|" -e "s|^# The server|# The tool|" \
		"$new/bin/mysqld" >"$new/bin/$tool"
done
chmod +x "$new"/bin/*
"$new/bin/mysqld" --no-defaults --version >&2

# Moved into place when it is complete. A concurrent run leaves the same result.
mv -T "$new" "$home" 2>/dev/null || [ -x "$home/bin/mysqld" ]
echo "$home/bin"
