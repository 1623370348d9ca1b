#!/bin/sh
# Creates random secrets for docker-compose.yml, each in a file with mode 0600 in the given folder, and
# compose.env, which gives docker-compose the folder. Existing files are not changed.
set -eu

folder=${1:?name a folder, such as secrets}
umask 077
mkdir -p -- "$folder"
chmod 700 "$folder"
folder=$(cd -- "$folder" && pwd)

random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# The file is moved into place when it is complete.
keep() {
	[ ! -s "$folder/$1" ] || return 0
	new=$(mktemp "$folder/.$1.XXXXXX")
	printf '%s\n' "$2" >"$new"
	# The image's user: of root's files it could read none. Any other user runs the containers as itself.
	[ "$(id -u)" != 0 ] || chown 65532:65532 "$new"
	mv -- "$new" "$folder/$1"
}

# MySQL's start script removes a trailing line feed, as the shell does.
keep mysql_root_password "$(random)"
keep mysql_password "$(random)"
keep database_url "mysql://paymentd:$(cat "$folder/mysql_password")@mysql:3306/paymentd"
keep api_keys "$(random)"
keep compose.env "PAYMENTD_SECRETS=$folder
PAYMENTD_USER=$(ls -ln "$folder/database_url" | awk '{print $3 ":" $4}')"
