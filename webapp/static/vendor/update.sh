#!/bin/sh
# Bring versions of htmx and tus-js-client here, with their licences:  webapp/static/vendor/update.sh 4.0.1 4.3.1
set -eu
htmx=${1:-4.0.1}
tus=${2:-4.3.1}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
bring() { # package, file in it, name here
  npm pack --silent "$1" >/dev/null
  tar -xzf ./*.tgz
  cp "package/$2" "$here/$3.min.js"
  cp package/LICENSE "$here/$3.LICENSE"
  sed -i -e 's/[[:space:]]*$//' -e '/sourceMappingURL/d' "$here/$3.min.js"
  rm -r ./*.tgz package
}
bring "htmx.org@$htmx" dist/htmx.min.js htmx
bring "tus-js-client@$tus" dist/tus.min.js tus
