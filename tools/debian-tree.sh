#!/bin/sh
# Downloads packages of a Debian release with all that they depend on, and unpacks them into a folder. Nothing is
# installed. This works on Debian for any user:
#
#	tools/debian-tree.sh FOLDER RELEASE PACKAGE…
set -eu

folder=$1 release=$2
shift 2
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for need in apt-get dpkg-deb "$keyring"; do
	if ! command -v "$need" >/dev/null 2>&1 && ! [ -r "$need" ]; then
		echo "debian-tree: $need is missing: this works on Debian only" >&2
		exit 1
	fi
done

# A separate apt configuration, in which nothing is installed. The mirror is that of this machine.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
	grep -v -- -security | head -n 1)
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$folder"
: >"$apt/status"
echo "deb [signed-by=$keyring] ${mirror:?apt-get has no Debian mirror} $release main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<EOF
Dir::Etc { sourcelist "$apt/sources.list"; sourceparts "/dev/null"; preferences "/dev/null"; preferencesparts "/dev/null"; };
Dir::State { lists "$apt/lists"; status "$apt/status"; };
Dir::Cache "$apt/cache";
Acquire::Languages "none";
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
#clear APT::Update::Post-Invoke; // hooks of this machine, which would clean its own apt cache
#clear DPkg::Post-Invoke;
EOF
own_apt() { apt-get --quiet=2 --config-file="$apt/apt.conf" "$@" >&2; }
echo "debian-tree: fetching $* of Debian $release into $folder" >&2
own_apt update
own_apt --yes --download-only install "$@"
for deb in "$apt"/cache/archives/*.deb; do
	dpkg-deb --extract "$deb" "$folder"
done
