#!/bin/sh
# Generates a TypeScript client from openapi.yaml, and runs pay.test.ts with it against the binary $1, on
# SQLite and the sandbox. tools/npm.sh runs it.
set -eu

paymentd=$PWD/$1
folder=$(mktemp -d)
service=
end() {
	[ -z "$service" ] || kill "$service" 2>/dev/null || true
	[ -z "$service" ] || wait "$service" 2>/dev/null || true
	rm -rf "$folder"
}
trap end EXIT

cp tools/npm/client/*.ts tools/npm/client/tsconfig.json tools/npm/package.json "$folder"
ln -s "$NODE_MODULES" "$folder/node_modules"
openapi-typescript adapters/httpapi/openapi.yaml --output "$folder/contract.ts" >/dev/null
tsc --project "$folder"

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
(cd "$folder" && PAYMENTD_ADDR=127.0.0.1:$port PAYMENTD_LOG_LEVEL=warn exec "$paymentd" serve) &
service=$!
export SERVICE_URL="http://127.0.0.1:$port"
node --input-type=module -e '
	const ready = async () => (await fetch(process.env.SERVICE_URL + "/readyz")).ok
	for (const end = Date.now() + 60000; !(await ready().catch(() => false)); ) {
		if (Date.now() > end) throw new Error("the service is not ready")
		await new Promise((resolve) => setTimeout(resolve, 50))
	}'
node --test --test-reporter=spec "$folder/out/"
