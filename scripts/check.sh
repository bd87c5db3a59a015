#!/bin/sh
# Checks everything that needs no test: lockfile, format, lint, types, contracts, dead code, Python, the schema. A line per step; the output of those that fail.
set -u
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
NO_COLOR=1
export PATH NO_COLOR

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
failed=0

# step NAME COMMAND…: the command's exit status is 0 for ok, 3 for skipped (its
# last line says why), anything else for failed.
step() {
  name=$1
  shift
  began=$(date +%s)
  "$@" >"$work/output" 2>&1 </dev/null
  status=$?
  took="$(($(date +%s) - began)) s"
  case $status in
    0) printf 'ok      %-28s %s\n' "$name" "$took" ;;
    3) printf 'skipped %-28s %s\n' "$name" "$(tail -n 1 "$work/output")" ;;
    *)
      printf 'FAILED  %-28s %s\n' "$name" "$took"
      sed 's/^/    /' "$work/output"
      failed=1
      ;;
  esac
}

# `npm install --no-save` does not refuse a lockfile of other versions, as `npm
# ci` would; so it is looked at here. It names no registry, so that any will do.
lockfile() {
  node --input-type=module -e '
    import { readFileSync } from "node:fs";
    const read = (name) => JSON.parse(readFileSync(name, "utf8"));
    const { packages } = read("package-lock.json");
    const wanted = read("package.json");
    for (const kind of ["dependencies", "optionalDependencies", "devDependencies"]) {
      for (const [name, version] of Object.entries(wanted[kind])) {
        const locked = packages[`node_modules/${name}`]?.version;
        if (locked !== version) fault(`${name} is ${version} in package.json and ${locked} in package-lock.json`);
      }
    }
    for (const [path, { resolved }] of Object.entries(packages)) {
      if (resolved !== undefined) fault(`${path} names a registry in package-lock.json`);
    }
    function fault(text) {
      console.log(text);
      process.exitCode = 1;
    }
  '
}

generated_code() {
  buf generate -o "$work" && diff -r gen "$work/gen" || {
    echo "gen/ is not what the contracts generate; run npm run generate"
    return 1
  }
}

# Against the last release, or before the first one against the commit before.
breaking_changes() {
  before=$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse -q --verify HEAD~1) || {
    echo "there is no commit before this one"
    return 3
  }
  git cat-file -e "$before:proto" 2>/dev/null || {
    echo "$before has no contracts"
    return 3
  }
  mkdir "$work/before"
  git archive "$before" proto buf.yaml | tar -x -C "$work/before" || return 1
  buf breaking --against "$work/before"
}

python_code() {
  ruff=node_modules/.cache/ruff/bin/ruff
  if [ ! -x "$ruff" ]; then
    echo "ruff is not installed; run npm run setup"
    if [ "${CI:-}" = true ]; then return 1; fi
    return 3
  fi
  "$ruff" check --no-cache sdk/python examples && "$ruff" format --no-cache --check sdk/python examples
}

step "lockfile" lockfile
step "format and imports" biome ci --colors=off --max-diagnostics=50 .
step "lint" oxlint --type-aware --format=unix
step "types" tsc
step "contracts: lint" buf lint
step "contracts: format" buf format -d --exit-code
step "contracts: breaking changes" breaking_changes
step "contracts: generated code" generated_code
step "dead code" knip --no-progress
step "Python" python_code
step "schema" node scripts/dump-schema.ts --check

exit "$failed"
