# For scripts: installs Debian packages. It returns false if they cannot be installed.
install() {
	has apt-get || return 1
	root=
	if [ "$(id -u)" -ne 0 ]; then
		has sudo || return 1
		root='sudo --non-interactive'
		[ ! -t 0 ] || root=sudo # a terminal: sudo can ask for a password
	fi
	echo "apt-get install $*" >&2
	(
		export DEBIAN_FRONTEND=noninteractive
		$root apt-get update -qq &&
			$root apt-get install -qq --yes --no-install-recommends "$@"
	) >&2
}
