#!/bin/sh
# Fetches MariaDB and Galera of this machine's Debian release, and prints the folder with its mariadbd and
# mariadb-install-db:
#
#	PATH=$(tools/galera.sh):$PATH go test -tags group ./tools/chaos -run Galera
#
# Nothing is installed: the packages are unpacked into ~/.cache/paymentd, and use their own libraries. To fetch a newer
# version, remove the folder.
set -eu

. /etc/os-release
release=${VERSION_CODENAME:?galera: /etc/os-release has no VERSION_CODENAME: this works on Debian only}
home=${XDG_CACHE_HOME:-$HOME/.cache}/paymentd/galera-$release

if [ -x "$home/bin/mariadbd" ]; then
	echo "$home/bin"
	exit
fi
mkdir -p "${home%/*}"
new=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$new"' EXIT
"$(dirname "$0")/debian-tree.sh" "$new/tree" "$release" mariadb-server galera-4 rsync lsof

# By default the daemon that receives a node's state drops root's rights, and then has none in the folder.
sed -i 's/^use chroot = no$/&\nuid = $(id -u)\ngid = $(id -g)/' "$new/tree/usr/bin/wsrep_sst_rsync"
grep -q '^uid = ' "$new/tree/usr/bin/wsrep_sst_rsync"

# The release is that of this machine, so that its C library serves the programs, and they run its shell.
mkdir -p "$new/bin"
for program in sbin/mariadbd bin/mariadb-install-db; do
	cat >"$new/bin/${program#*/}" <<EOF
#!/bin/sh
tree=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/tree
for libraries in "\$tree"/usr/lib/*-linux-gnu*; do
	export LD_LIBRARY_PATH="\$libraries" PATH="\$tree/usr/bin:\$tree/usr/sbin:\$PATH" # also of the scripts that copy a node's state
	exec "\$tree/usr/$program" "\$@" --basedir="\$tree/usr"
done
EOF
done
# Tests take the first mysqld or mariadbd on the PATH, and name the provider by this link.
ln -s mariadbd "$new/bin/mysqld"
ln -s ../tree/usr/lib/galera/libgalera_smm.so "$new/bin/libgalera_smm.so"
chmod +x "$new"/bin/*
"$new/bin/mariadbd" --no-defaults --version >&2

# Moved into place when it is complete. A concurrent run leaves the same result.
mv -T "$new" "$home" 2>/dev/null || [ -x "$home/bin/mariadbd" ]
echo "$home/bin"
