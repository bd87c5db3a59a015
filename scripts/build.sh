#!/bin/sh
# Puts the content of the image into build/: what runs in production and its packages, without tests and without the pinned Node and Postgres.
set -eu
cd "$(dirname "$0")/.."

rm -rf build
mkdir -p build/sdk/python build/scripts
cp package.json package-lock.json .npmrc LICENSE build/
cp -R cli gen lib services build/
cp -R sdk/typescript build/sdk/
cp -R sdk/python/src build/sdk/python/
cp scripts/health.ts scripts/migrate.ts build/scripts/
find build \( -name '*.test.ts' -o -name '*.suite.ts' \) -exec rm {} +
find build -name __pycache__ -prune -exec rm -r {} +
# As in setup.sh, for the same reason.
(cd build && npm install --no-save --omit=dev --omit=optional --ignore-scripts --no-progress --loglevel=error)
