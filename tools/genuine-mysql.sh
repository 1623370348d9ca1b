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

packages="mysql-server-core mysql-client mysql-client-core"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
home=${XDG_CACHE_HOME:-$HOME/.cache}/paymentd/genuine-mysql-and-tools

if [ -x "$home/bin/mysqld" ]; then
	echo "$home/bin"
	exit
fi
for need in apt-get dpkg-deb "$keyring"; do
	if ! command -v "$need" >/dev/null 2>&1 && ! [ -r "$need" ]; then
		echo "genuine-mysql: $need is missing; on systems other than Debian, set TEST_MYSQL_IMAGE=mysql:9" >&2
		exit 1
	fi
done

mkdir -p "${home%/*}"
new=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$new"' EXIT

# A separate apt configuration, in which nothing is installed. The mirror is that of this machine.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
	grep -v -- -security | head -n 1)
mkdir -p "$new/apt/lists/partial" "$new/apt/cache/archives/partial" "$new/tree" "$new/bin"
: >"$new/apt/status"
echo "deb [signed-by=$keyring] ${mirror:?apt-get has no Debian mirror} unstable main" >"$new/apt/sources.list"
cat >"$new/apt/apt.conf" <<END
Dir::Etc { sourcelist "$new/apt/sources.list"; sourceparts "/dev/null"; preferences "/dev/null"; preferencesparts "/dev/null"; };
Dir::State { lists "$new/apt/lists"; status "$new/apt/status"; };
Dir::Cache "$new/apt/cache";
Acquire::Languages "none";
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
#clear APT::Update::Post-Invoke; // hooks of this machine, which would clean its own apt cache
#clear DPkg::Post-Invoke;
END
own_apt() { apt-get --quiet=2 --config-file="$new/apt/apt.conf" "$@" >&2; }
echo "genuine-mysql: fetching $packages of Debian unstable into $home" >&2
own_apt update
own_apt --yes --download-only install $packages
for deb in "$new"/apt/cache/archives/*.deb; do
	dpkg-deb --extract "$deb" "$new/tree"
done
rm -r "$new/apt"

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
