# Installing what is missing: Python's venv, the pinned packages, nginx. Sourced by manage.sh.
# shellcheck shell=bash

INSTALL_LOG=$PROJECT_DIR/var/logs/install.log

# apt_install PACKAGE… : with apt when we are root; otherwise the caller says what to install.
apt_install() {
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    return 1
  fi
  say "  installing $* from the system's packages ..."
  mkdir -p -- "${INSTALL_LOG%/*}"
  {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
  } </dev/null >>"$INSTALL_LOG" 2>&1 9<&- || fail_with_log "apt-get could not install $*"
}

fail_with_log() {
  printf '\n' >&2
  tail -n 15 -- "$INSTALL_LOG" | sed 's/^/  | /' >&2 || true
  die "$1 (the whole story: $INSTALL_LOG)."
}

# Sets PYTHON to an interpreter of at least 3.11.
find_python() {
  local candidate
  for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      PYTHON=$candidate
      return
    fi
  done
  return 1
}

require_python() {
  local version
  if ! find_python; then
    if command -v python3 >/dev/null || ! apt_install python3 || ! find_python; then
      die 'Python 3.11 or newer is needed: install it (Debian: apt-get install python3 python3-venv) and try again.'
    fi
  fi
  if ! "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null; then
    version=$("$PYTHON" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
    apt_install "python$version-venv" ||
      die "Python's venv module is missing: install it as root (apt-get install python$version-venv) and try again."
  fi
}

# install_packages LOCKFILE… : into .venv, each once per content of the file. An environment that was
# not finished (interrupted, killed) has no .made and is built again from nothing, since half a
# package looks like a whole one to pip.
install_packages() {
  local lock stamp hash
  if [[ ! -f .venv/.made ]]; then
    require_python
    say "  making the virtual environment .venv ($("$PYTHON" --version)) ..."
    mkdir -p -- "${INSTALL_LOG%/*}"
    "$PYTHON" -m venv --clear .venv >>"$INSTALL_LOG" 2>&1 9<&- ||
      fail_with_log 'The virtual environment could not be made'
  fi
  for lock in "$@"; do
    stamp=.venv/.installed-$lock
    hash=$(sha256sum <"$lock")
    if [[ ! -f $stamp || $(<"$stamp") != "$hash" ]]; then
      pip_install "$lock"
      printf '%s\n' "$hash" >"$stamp"
    fi
  done
  touch .venv/.made
}

pip_install() {
  local lock=$1 started=$SECONDS
  mkdir -p -- "${INSTALL_LOG%/*}"
  say "  installing the packages of $lock ..."
  .venv/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off \
    --require-hashes -r "$lock" 2>&1 </dev/null 9<&- | tee -a -- "$INSTALL_LOG" | show_progress ||
    fail_with_log "pip could not install $lock"
  say "  ... done in $((SECONDS - started)) s"
}

# A counter on a terminal; elsewhere a line now and then shows that the installation does not hang.
show_progress() {
  local line count=0
  while IFS= read -r line; do
    if [[ $line == Collecting* ]]; then
      count=$((count + 1))
      if [[ -t 1 ]]; then
        printf '\r\033[K  %d: %s' "$count" "${line#Collecting }"
      elif ((count % 10 == 0)); then
        say "  $count packages fetched"
      fi
    elif [[ $line == Installing* && -t 1 ]]; then
      printf '\r\033[K  unpacking %d packages ...' "$count"
    fi
  done
  if [[ -t 1 ]]; then
    printf '\r\033[K'
  fi
}

have_nginx() {
  command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]]
}

have_node() { command -v node >/dev/null; }

require_nginx() {
  install_nginx ||
    die 'nginx is missing: install it as root (apt-get install nginx), or put one on the PATH, and try again.'
}

# Debian starts a fresh nginx on port 80 and again at every boot; the platform starts its own.
install_nginx() {
  local policy=/usr/sbin/policy-rc.d status=0
  if ((EUID == 0)) && [[ ! -e $policy ]]; then
    # It forbids starts only while we live: killed, we cannot take it away.
    printf '#!/bin/sh\nkill -0 %d 2>/dev/null && exit 101\nexit 0\n' $$ >"$policy"
    chmod 755 "$policy"
    # shellcheck disable=SC2064 # the path of now
    trap "rm -f -- '$policy'" EXIT
  else
    policy=
  fi
  apt_install nginx || status=$?
  if [[ -n $policy ]]; then
    rm -f -- "$policy"
    trap - EXIT
  fi
  if ((status == 0)); then
    update-rc.d nginx disable >>"$INSTALL_LOG" 2>&1 || true # tells systemd, too
  fi
  return "$status"
}
