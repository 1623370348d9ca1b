#!/bin/sh
# Lints openapi.yaml, and compares the page at /docs and the scripts of the console with the npm packages.
# tools/npm.sh runs it.
set -eu

redocly lint --config tools/npm/redocly.yaml adapters/httpapi/openapi.yaml

docs=adapters/httpapi/docs
for file in "$docs"/*; do
	case ${file##*/} in
	index.html | start.js) ;; # ours
	*) cmp "$file" "$NODE_MODULES/swagger-ui-dist/${file##*/}" ;;
	esac
done
assets=adapters/console/assets htmx=$NODE_MODULES/htmx.org
cmp "$assets/htmx.min.js" "$htmx/dist/htmx.min.js"
cmp "$assets/hx-sse.min.js" "$htmx/dist/ext/hx-sse.min.js"
cmp "$assets/htmx.LICENSE.txt" "$htmx/LICENSE"
echo "$docs is swagger-ui-dist $(node -p 'require(process.env.NODE_MODULES + "/swagger-ui-dist/package.json").version')"
