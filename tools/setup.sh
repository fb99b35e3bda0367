# Sourced by ./everfull and tools/with-node.sh, which set `root` to the project's folder.
#
#   set_up run|dev      installs what is missing and sets `node` to a Node that runs the sources
#   debian_packages …   makes sure that commands from Debian's packages are there
#
# A finished install leaves a copy of package-lock.json in node_modules/.installed-KIND, so a later
# run costs one `cmp`. Both stamps are removed before npm starts: node_modules without a stamp was
# left by an interrupted install, in which npm would take half a package for a whole one.
# `npm install`, not `npm ci`: npm ci refuses a lock file without the packages of other platforms,
# which not every registry holds, and it takes node_modules away under programs that are running.

fail() {
  printf 'everfull: %s\n' "$*" >&2
  exit 1
}

set_up() {
  installed "$1" || install_node_modules "$1"
  find_node
}

installed() {
  cmp -s "$root/package-lock.json" "$root/node_modules/.installed-$1"
}

find_node() {
  for node in "$root"/node_modules/node-linux-*/bin/node; do
    [ ! -x "$node" ] || return 0
  done
  node=$(command -v node) || node=
  case $([ -z "$node" ] || "$node" --version) in
  v2[4-9].* | v[3-9][0-9].*) ;;
  *) fail "cannot run on this machine ($(uname -sm)): npm has no Node 26 for it, and the Node in PATH is not 24 or newer" ;;
  esac
}

install_node_modules() {
  command -v npm >/dev/null || fail "cannot install what is missing: there is no npm in PATH. On Debian: apt-get install nodejs npm"
  take_lock
  if ! installed "$1"; then
    printf 'everfull: installing what is missing into %s/node_modules ...\n' "$root" >&2
    run_npm "$1" >"$root/.setup.log" 2>&1 || fail_with_log "cannot install what is missing: npm failed. It needs its registry once; run the same command again when that can be reached"
  fi
  release_lock
}

run_npm() (
  cd "$root" || exit 1
  [ -e node_modules/.installed-run ] || rm -rf node_modules
  packages=--omit=dev
  [ "$1" = run ] && [ ! -e node_modules/.installed-dev ] || packages=--include=dev
  rm -f node_modules/.installed-run node_modules/.installed-dev
  # Under `npm test` node_modules/.bin comes first in PATH, and with it the Node that npm may replace.
  PATH=$(printf %s "$PATH" | sed 's|[^:]*/node_modules/\.bin:||g')
  npm install --prefix . "$packages" --include=optional --ignore-scripts --no-save --no-audit --no-fund \
    --engine-strict=false --loglevel=error </dev/null || exit 1
  [ "$packages" = --omit=dev ] || cp package-lock.json node_modules/.installed-dev || exit 1
  cp package-lock.json node_modules/.installed-run
)

# debian_packages PACKAGE:COMMAND…
debian_packages() {
  missing=
  for pair in "$@"; do
    command -v "${pair#*:}" >/dev/null || missing="$missing ${pair%%:*}"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "these Debian packages are missing:$missing. As root: apt-get install$missing"
  fi
  take_lock
  printf 'everfull: installing Debian packages:%s ...\n' "$missing" >&2
  # shellcheck disable=SC2086
  (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing) \
    >"$root/.setup.log" 2>&1 </dev/null || fail_with_log "cannot install the Debian packages$missing: apt-get failed"
  release_lock
}

fail_with_log() {
  tail -n 15 "$root/.setup.log" >&2
  fail "$* (whole log: $root/.setup.log)"
}

# One install at a time: the others wait, and then find the work done. The kernel drops a flock with its
# last holder, npm among them. Where flock is missing, a symbolic link is the lock: it comes into being
# at once with its content, the owner's process id.
take_lock() {
  [ -w "$root" ] || fail "cannot install what is missing: $root is not writable by $(id -un)"
  if command -v flock >/dev/null; then
    exec 9>"$root/.setup.lock"
    flock -n 9 || {
      printf 'everfull: waiting for another install ...\n' >&2
      flock 9
    }
    return
  fi
  until ln -s "$$" "$root/.setup.link" 2>/dev/null; do
    owner=$(readlink "$root/.setup.link") || continue
    if [ ! -d "/proc/$owner" ]; then
      rm -f "$root/.setup.link"
      continue
    fi
    sleep 1
  done
  trap 'rm -f "$root/.setup.link"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

release_lock() {
  if command -v flock >/dev/null; then
    exec 9>&-
  else
    rm -f "$root/.setup.link"
    trap - EXIT INT TERM HUP
  fi
}
