#!/bin/sh
# Runs the tests of the alert rules with promtool, and parses every query of the dashboard with it.
# Installs promtool with apt if it is missing. Run it in the root of the checkout.
set -eu

if ! command -v promtool >/dev/null 2>&1; then
	command -v apt-get >/dev/null 2>&1 || {
		echo 'alerts: no promtool; install it (it comes with Prometheus), then try again' >&2
		exit 1
	}
	root=
	[ "$(id -u)" -eq 0 ] || root='sudo --non-interactive'
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	echo 'alerts: fetching promtool from the package prometheus' >&2
	$root apt-get update -qq >&2
	# The program alone: the package would start a server.
	(cd "$folder" && apt-get download -qq prometheus >&2 && dpkg-deb -x prometheus_*.deb .)
	PATH=$folder/usr/bin:$PATH
fi

promtool check rules deploy/prometheus/paymentd.rules.yml
promtool test rules deploy/prometheus/paymentd_test.yml

# A JSON string is a YAML string.
queries=$(mktemp)
{
	echo 'groups: [{name: dashboard, rules: ['
	sed -n 's/^ *"expr": \(".*"\),\{0,1\}$/\1/p' deploy/grafana/paymentd.json |
		sed 's/\$__rate_interval/5m/g' |
		awk '{ printf "  {record: query:%d, expr: %s},\n", NR, $0 }'
	echo ']}]'
} >"$queries"
found=$(grep -c record "$queries")
written=$(grep -c '"expr"' deploy/grafana/paymentd.json)
if [ "$found" != "$written" ] || ! promtool check rules "$queries"; then
	echo 'alerts: promtool cannot parse a query of the dashboard' >&2
	exit 1
fi
rm "$queries"
