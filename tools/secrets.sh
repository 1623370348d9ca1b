#!/bin/sh
# Makes the secrets of docker-compose.yml, random ones, each in a file of mode 0600, in the folder that is
# named, and compose.env, which leads docker-compose there. What is there already stays as it is.
set -eu

folder=${1:?name a folder, such as secrets}
umask 077
mkdir -p -- "$folder"
chmod 700 "$folder"
folder=$(cd -- "$folder" && pwd)

random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# The file appears when it is whole.
keep() {
	[ ! -s "$folder/$1" ] || return 0
	new=$(mktemp "$folder/.$1.XXXXXX")
	printf '%s\n' "$2" >"$new"
	# The image's user: of root's files it could read none. Any other user runs the containers as itself.
	[ "$(id -u)" != 0 ] || chown 65532:65532 "$new"
	mv -- "$new" "$folder/$1"
}

# MySQL's start script takes a line feed at the end off, as the shell does.
keep mysql_root_password "$(random)"
keep mysql_password "$(random)"
keep database_url "mysql://paymentd:$(cat "$folder/mysql_password")@mysql:3306/paymentd"
keep api_keys "$(random)"
keep compose.env "PAYMENTD_SECRETS=$folder
PAYMENTD_USER=$(ls -ln "$folder/database_url" | awk '{print $3 ":" $4}')"
