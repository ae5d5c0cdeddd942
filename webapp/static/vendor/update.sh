#!/bin/sh
# Bring a version of htmx here, with its licence:  webapp/static/vendor/update.sh 4.0.1
set -eu
version=${1:-4.0.1}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "htmx.org@$version" >/dev/null
tar -xzf htmx.org-*.tgz
cp package/dist/htmx.min.js "$here/htmx.min.js"
cp package/LICENSE "$here/htmx.LICENSE"
sed -i -e 's/[[:space:]]*$//' -e '/sourceMappingURL/d' "$here/htmx.min.js"
