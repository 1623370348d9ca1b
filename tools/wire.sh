#!/bin/sh
# Generates the types of the server and of the client from openapi.yaml, or compares them with the
# committed ones:
#
#	tools/wire.sh write
#	tools/wire.sh diff
set -eu

made=$(mktemp)
trap 'rm -f "$made"' EXIT
for wire in adapters/httpapi/internal/wire client/internal/wire; do
	GOWORK=off CGO_ENABLED=0 go tool -modfile=tools/go.mod oapi-codegen \
		-config "$wire/oapi-codegen.yaml" -o "$made" adapters/httpapi/openapi.yaml
	case $1 in
	write) cp "$made" "$wire/wire.go" ;;
	diff) diff -u "$wire/wire.go" "$made" || {
		echo "$wire differs from what is generated from openapi.yaml: run make generate" >&2
		exit 1
	} ;;
	esac
done
