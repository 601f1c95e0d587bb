#!/usr/bin/env bash
# Every command of the platform: ./manage.sh help lists them. How it installs, how it starts and stops
# processes, and how the code is worked on is in deploy/; what runs is in supervisord.conf.
set -euo pipefail

PROJECT_DIR=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
cd -- "$PROJECT_DIR"

say() { printf '%s\n' "$*"; }

die() {
  printf 'manage.sh: %s\n' "$*" >&2
  exit 1
}

# shellcheck source=deploy/install.sh
source deploy/install.sh
# shellcheck source=deploy/processes.sh
source deploy/processes.sh
# shellcheck source=deploy/systemd.sh
source deploy/systemd.sh
# shellcheck source=deploy/development.sh
source deploy/development.sh

show_help() {
  cat <<'END'
Usage: ./manage.sh COMMAND

Running the platform
  up [--port N]        install what is missing, start everything, wait until it is ready (= start);
                       --port: nginx listens on N, and everything else beside it (kept in .env)
  down                 stop everything that up started (= stop)
  restart [PROGRAM]    all of it, or one of: nginx, api, wsd (one after another), worker, database, watchdog
  status               what runs; exit code 3 if something does not
  logs [PROGRAM]       the last lines of all programs, or of one, in the order of time; --since 10m,
                       -n LINES, --json, --follow (= logs-follow)
  deploy               take over new code: no request fails, sockets come back by themselves
  enable               start at boot (a systemd unit; as root)
  ctl [ARGS]           supervisorctl, with the platform's socket

Working on it
  test [fast|ARGS]     all tests; those that need no processes; or pytest with these arguments
  check                format, lint, types, then all tests
  fmt                  format the code and repair what the linter can
  coverage             all tests, with branch coverage
  bench [NAME...]      measure against the limits; all of them write bench/RESULTS.md
                       (--full: under a sustained load for a minute)
  lock                 resolve requirements/*.in again into the hash-locked files

  help                 this page

Settings are in .env (made by the first up); ./platformctl config show says where each comes from.
END
}

# One at a time. The lock is on the project's directory itself, so it leaves no file behind; children
# that outlive us must not inherit it (9<&-).
take_turn() {
  exec 9<.
  if ! flock --nonblock 9; then
    say 'Another ./manage.sh is at work here: waiting for it ...'
    flock 9
  fi
}

end_turn() { exec 9<&-; }

cmd_up() {
  case $#:${1:-} in
    0: | 1:--port=* | 2:--port) ;;
    *:--no-nginx) die 'up --no-nginx is gone: the platform needs nginx, from the package or as a program on the PATH.' ;;
    *) die "up knows only --port N, not $*." ;;
  esac
  take_turn
  prepare "$@"
  if supervisord_pid >/dev/null; then
    say_already_up
    return
  fi
  recall_start_of_dead
  platform config ports || exit 1
  say 'Starting ...'
  start_supervisord
  prepare_database
  start_programs
  wait_until_ready
  say 'The forecast platform is up.'
  say_addresses
}

# prepare [--port N]: everything that must be there before a process can start, and the settings.
prepare() {
  install_packages requirements.txt
  platform config keep "$@" || exit 1
  have_nginx || require_nginx
  DIFFERENCES=$(platform config differences) # before the settings stand in our own environment
  load_settings
  if [[ $DATABASE_SERVER == embedded ]]; then
    install_packages requirements-embedded-db.txt
  fi
}

# supervisord was killed, or the machine was: what it left behind holds our ports.
recall_start_of_dead() {
  if [[ -f $RUN_DIR/supervisord.pid ]]; then
    say '  supervisord was killed: ending the processes that it left behind'
    (recall_start && stop_all)
  fi
}

say_already_up() {
  if [[ -n $DIFFERENCES ]]; then
    printf '%s\nThe running platform is older than these settings: ./manage.sh restart applies them.\n' \
      "$DIFFERENCES"
  fi
  recall_start
  if [[ -n $(not_ready) ]]; then
    say 'It runs, but not all of it: starting what is missing ...'
    start_programs
    wait_until_ready
  fi
  say "The forecast platform is already up: http://$(front_host):$SERVER_PORT"
}

say_addresses() {
  local host
  host=$(front_host)
  cat <<END
  HTTP       http://$host:$SERVER_PORT (documentation: http://$host:$WEB_PORT/docs)
  modules    ws://$host:$SERVER_PORT/websocket?hash=<module_hash>
  operators  $PROJECT_DIR/platformctl --help
END
}

front_host() {
  case ${SERVER_ADDRESS:-127.0.0.1} in
    127.0.0.1 | ::1) printf localhost ;;
    *:*) printf '[%s]' "$SERVER_ADDRESS" ;;
    *) printf '%s' "$SERVER_ADDRESS" ;;
  esac
}

cmd_down() {
  take_turn
  load_settings_of_running
  if [[ ! -f $RUN_DIR/supervisord.pid ]]; then
    say 'The forecast platform is not running.'
    return
  fi
  say 'Stopping ...'
  stop_all
  say 'The forecast platform is down.'
}

require_running() {
  load_settings_of_running
  supervisord_pid >/dev/null || die 'The forecast platform is not running: ./manage.sh up'
}

cmd_restart() {
  local program=${1:-all}
  if [[ $program == all ]]; then
    # What can go wrong goes wrong before anything stops. Each in a process of its own: what ran with
    # the old settings must not leave them to the new.
    (take_turn && prepare && platform config ports --beside-running) || exit 1
    "$PROJECT_DIR/manage.sh" down
    exec "$PROJECT_DIR/manage.sh" up
  fi
  take_turn
  require_running
  case $program in
    wsd) restart_wsd ;;
    nginx)
      write_nginx_conf
      ctl restart nginx
      ;;
    worker) ctl restart 'worker:*' ;;
    api | database | watchdog) ctl restart "$program" ;;
    *) die "restart knows nginx, api, wsd, worker, database and watchdog, not $program." ;;
  esac
  wait_until_ready
}

cmd_status() {
  local lines name state rest code=0
  load_settings_of_running
  if ! supervisord_pid >/dev/null; then
    say_not_running
    return 3
  fi
  lines=$(ctl status) || true
  if grep -qv ' RUNNING ' <<<"$lines"; then
    code=3
    say 'The forecast platform runs, but not all of it:'
  else
    say "The forecast platform is up: http://$(front_host):$SERVER_PORT"
  fi
  while read -r name state rest; do
    printf '  %-10s %-8s %s\n' "${name#*:}" "${state,,}" "$rest"
  done <<<"$lines"
  return "$code"
}

say_not_running() {
  if [[ -f $RUN_DIR/supervisord.pid && -n $(processes_of_session "$(<"$RUN_DIR/supervisord.pid")") ]]; then
    say 'supervisord was killed; what it started still runs, unwatched. ./manage.sh up mends that.'
  else
    say 'The forecast platform is not running.'
  fi
}

# A number alone is the number of lines.
cmd_logs() {
  [[ ! ${1:-} =~ ^[0-9]+$ ]] || set -- --lines "$@"
  [[ -x .venv/bin/python ]] || die 'Nothing is installed yet: ./manage.sh up'
  load_settings_of_running
  platform logs --directory "$VAR_DIR/logs" "$@"
}

# Another user's platform is named, and left alone. (root may do everything.)
require_own() {
  local path owner pid runs=
  for path in .env "${VAR_DIR:-var}" "${VAR_DIR:-var}/run"; do
    if [[ -e $path ]] && ! is_usable "$path"; then
      owner=$(stat -c %U -- "$path")
      pid=$(cat -- "${VAR_DIR:-var}/run/supervisord.pid" 2>/dev/null) || true
      [[ -z $pid || ! -d /proc/$pid ]] || runs=', and runs'
      die "This platform belongs to $owner$runs: sudo -u $owner $(printf %q "$PROJECT_DIR")/manage.sh $verb"
    fi
  done
}

is_usable() {
  if [[ -d $1 ]]; then
    [[ -w $1 ]]
  else
    [[ -r $1 ]]
  fi
}

cmd_deploy() {
  local before
  take_turn
  install_packages requirements.txt
  # A wrong setting or code that cannot be loaded stops it here, before anything is touched.
  platform config env >/dev/null || exit 1
  .venv/bin/python -c 'import wsgi, worker.__main__, wsd.__main__' || die 'The new code does not load: nothing was changed.'
  require_running
  if [[ $DATABASE_SERVER == embedded ]]; then
    install_packages requirements-embedded-db.txt
  fi
  init_db || exit 1
  before=$(sha256sum <"$RUN_DIR/nginx/nginx.conf")
  if [[ $(platform config nginx | sha256sum) != "$before" ]]; then
    say '  nginx.conf changed; ./manage.sh restart nginx applies it, and drops every socket once'
  fi
  restart_wsd
  reload_api
  ctl restart 'worker:*' watchdog >/dev/null
  wait_until_ready
  say 'The new code runs.'
}

# In the order of the help page, with other names for the same.
VERBS=(up start down stop restart status logs logs-follow deploy enable ctl test check fmt coverage bench lock help)

# The command that was meant, as far as a Python is there to guess.
nearest_verb() {
  local python=.venv/bin/python
  [[ -x $python ]] || python=python3
  "$python" -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1))' \
    "$1" "${VERBS[@]}" 2>/dev/null || true
}

verb=${1:-help}
(($# == 0)) || shift
case $verb:${1:-} in
  test:* | bench:* | coverage:* | ctl:* | logs:* | logs-follow:*) ;; # these pass their arguments on
  *:-h | *:--help)
    show_help
    exit
    ;;
  down:?* | stop:?* | status:?* | deploy:?* | enable:?* | check:?* | fmt:?* | lock:?*)
    die "$verb takes no arguments, and $1 is one."
    ;;
esac
case $verb in
  up | start | down | stop | restart | status | logs | logs-follow | deploy | enable | ctl) require_own ;;
esac
case $verb in
  up | start) cmd_up "$@" ;;
  down | stop) cmd_down ;;
  restart) cmd_restart "$@" ;;
  status) cmd_status ;;
  logs) cmd_logs "$@" ;;
  logs-follow) cmd_logs "$@" --follow ;;
  ctl)
    require_running
    ctl "$@"
    ;;
  deploy) cmd_deploy ;;
  enable) cmd_enable ;;
  test) cmd_test "$@" ;;
  check) cmd_check ;;
  fmt) cmd_fmt ;;
  coverage) cmd_coverage "$@" ;;
  bench) cmd_bench "$@" ;;
  lock) cmd_lock ;;
  help | -h | --help) show_help ;;
  *)
    near=$(nearest_verb "$verb")
    die "there is no command $verb${near:+, but $near}; ./manage.sh help lists them all."
    ;;
esac
