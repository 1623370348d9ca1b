#!/bin/sh
# Tests the alert rules with promtool, and lets it read every query of the dashboard. Installs
# promtool where it is missing, on a machine with apt. Run it in the root of the checkout.
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

# A string of JSON is one of YAML.
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
	echo 'alerts: the dashboard has a query that promtool cannot read' >&2
	exit 1
fi
rm "$queries"
