#!/bin/sh
# Installs what this repository needs: npm packages, missing system packages (Debian, Ubuntu), and ruff for `npm run check`.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }

# npm puts node_modules/.bin in front of PATH, and the install replaces what is in
# there: the Node that runs it must be the machine's own.
own_path=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v '/node_modules/\.bin$' | paste -s -d : -)

# Not `npm ci`, which refuses a lockfile without the optional packages of other
# platforms; not every registry serves those. Versions are exact in package.json
# and in the lockfile, which `--no-save` leaves alone. Warnings are left out:
# they are about the Node that runs npm, and Antiphon runs on the pinned one.
install_npm_packages() {
  say "installing the npm packages of package-lock.json"
  PATH="$own_path" npm install --no-save --no-progress --loglevel=error
  # npm links the commands of dependencies only; npx would link ours into a cache
  # of its own, and start there what an older checkout had.
  ln -sf ../../cli/launcher.js node_modules/.bin/antiphon
}

# What is looked for is what will be used, so that a Redis or bubblewrap that
# came another way counts.
missing_packages() {
  command -v bwrap >/dev/null 2>&1 || printf 'bubblewrap '
  /usr/bin/python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || printf 'python3-venv '
  command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1 || printf 'redis-server '
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# The package of Redis starts a daemon, which nobody asked for: Antiphon starts
# its own. Debian asks policy-rc.d before it starts anything; one that is there
# already is left alone.
install_debian_packages() {
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  if [ ! -e "$policy" ]; then
    made_policy=yes
    say "no service is started meanwhile: $policy says so until the packages are installed"
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
  fi
  as_root apt-get update -q
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $1
  if [ "$made_policy" = yes ]; then
    as_root rm -f "$policy"
    trap - EXIT INT TERM HUP
  fi
  case $1 in
    *redis-server*)
      say "Redis was not started; where systemd runs, the next boot does, unless you: systemctl disable redis-server"
      ;;
  esac
}

install_system_packages() {
  missing=$(missing_packages)
  if [ -z "$missing" ]; then
    say "the system packages are there"
    return
  fi
  say "missing system packages: $missing"
  if ! command -v apt-get >/dev/null 2>&1; then
    say "install bubblewrap (Linux only), Python 3 with venv, and Redis or Valkey with your package manager;"
    say "without bubblewrap programs are refused, without Redis the broker is this process's memory"
    return
  fi
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
    say "there is no sudo; ask somebody who may: apt-get install $missing"
    return
  fi
  install_debian_packages "$missing"
}

install_ruff() {
  say "installing ruff, which checks the Python code"
  venv=node_modules/.cache/ruff
  if python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check ruff==0.17.5; then
    return
  fi
  rm -rf "$venv"
  say "ruff could not be installed; only npm run check needs it"
}

check_node() {
  if node_modules/.bin/node --version >/dev/null 2>&1; then
    say "npm scripts and npx run on Node $(node_modules/.bin/node --version)"
    return
  fi
  say "no Node is pinned for this platform: npm scripts run on $(node --version), and need 24 or newer"
}

install_npm_packages
install_system_packages
install_ruff
check_node

still_missing=$(missing_packages)
if [ -n "$still_missing" ]; then
  say "done, but still missing: $still_missing"
  if [ "${CI:-}" = true ]; then exit 1; fi
else
  say "done"
fi
say "next: npm start, or npm test"
