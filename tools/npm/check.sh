#!/bin/sh
# Lints openapi.yaml, and compares the page at /docs with the npm package. tools/npm.sh runs it.
set -eu

redocly lint --config tools/npm/redocly.yaml adapters/httpapi/openapi.yaml

docs=adapters/httpapi/docs
for file in "$docs"/*; do
	case ${file##*/} in
	index.html | start.js) ;; # ours
	*) cmp "$file" "$NODE_MODULES/swagger-ui-dist/${file##*/}" ;;
	esac
done
echo "$docs is swagger-ui-dist $(node -p 'require(process.env.NODE_MODULES + "/swagger-ui-dist/package.json").version')"
