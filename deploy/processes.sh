# Starting, watching and ending the platform's processes. Sourced by manage.sh.
# shellcheck shell=bash

READY_SECONDS=60

# load_settings: the environment of supervisord, straight from shared/settings.py. If a setting is
# wrong, that names every bad variable and we end here.
load_settings() {
  SETTINGS=$(platform config env) || exit 1
  eval "$SETTINGS"
  set_paths
}

# As systemd will start it: without what this shell says.
load_settings_of_boot() {
  SETTINGS=$(env -i PATH="$PATH" .venv/bin/python -m cli.main config env) || exit 1
  eval "$SETTINGS"
  set_paths
}

# A running platform keeps the settings that it was started with. This works while .env is broken,
# too, because `down` must.
load_settings_of_running() {
  if [[ -x .venv/bin/python ]] && SETTINGS=$(platform config env 2>/dev/null); then
    eval "$SETTINGS"
  else
    export VAR_DIR=${VAR_DIR:-$PROJECT_DIR/var}
  fi
  set_paths
  recall_start
}

# A Unix socket's path ends at 107 bytes, and supervisord adds its pid while it makes it. All that use
# it stand in the project's directory, so a long path is said from there.
set_paths() {
  local LC_ALL=C
  RUN_DIR=$VAR_DIR/run
  SUPERVISOR_SOCKET=$RUN_DIR/supervisor.sock
  if ((${#SUPERVISOR_SOCKET} > 90)); then
    SUPERVISOR_SOCKET=/proc/self/cwd/${RUN_DIR#"$PROJECT_DIR"/}/supervisor.sock
  fi
  if ((${#SUPERVISOR_SOCKET} > 90)); then
    die "VAR_DIR is too long a path for a Unix socket: $VAR_DIR"
  fi
  export SUPERVISOR_SOCKET
}

platform() {
  .venv/bin/python -m cli.main "$@" 9<&-
}

ctl() {
  .venv/bin/python -m supervisor.supervisorctl -c supervisord.conf "$@" 9<&-
}

# The pid of our supervisord, if it runs. After a reboot the number may be another process's.
supervisord_pid() {
  local pid
  pid=$(cat -- "$RUN_DIR/supervisord.pid" 2>/dev/null) || return 1
  is_ours "$pid" && printf '%s\n' "$pid"
}

is_ours() {
  [[ -n $1 && $(readlink -- "/proc/$1/cwd" 2>/dev/null) == "$PROJECT_DIR" ]]
}

# processes_of_session SID: supervisord leads a session, and whatever it started is in it for ever,
# orphans of a killed master too. (nginx overwrites its environment, pid files name masters only.)
processes_of_session() {
  local stat line fields pid
  for stat in /proc/[0-9]*/stat; do
    { IFS= read -r line <"$stat"; } 2>/dev/null || continue
    pid=${line%% *}
    read -r -a fields <<<"${line##*) }" # after the name, which may hold anything: state ppid group session
    if [[ ${fields[3]} == "$1" && ${fields[0]} != Z ]] && is_ours "$pid"; then
      printf '%s\n' "$pid"
    fi
  done
}

start_supervisord() {
  local deadline
  mkdir -p -- "$VAR_DIR/logs" "$RUN_DIR"
  write_nginx_conf
  make_database_password
  remember_start
  .venv/bin/python -m supervisor.supervisord -c supervisord.conf 9<&- ||
    die 'supervisord did not start.'
  deadline=$((SECONDS + 10))
  until [[ -S $SUPERVISOR_SOCKET ]] && supervisord_pid >/dev/null; do
    ((SECONDS < deadline)) || die "supervisord did not start: see $VAR_DIR/logs/supervisord.log"
    sleep 0.1
  done
}

# What is fixed until the next start (deploy/running.py reads it, too). What the shell said is in it,
# which may be a secret.
remember_start() (
  umask 077
  {
    printf '%s\n' "$SETTINGS"
    printf 'export STARTED_BOOT=%q\n' "$(this_boot)"
  } >"$RUN_DIR/started.env"
)

recall_start() {
  if [[ -f $RUN_DIR/started.env ]]; then
    # shellcheck source=/dev/null
    source "$RUN_DIR/started.env"
  fi
}

this_boot() {
  cat /proc/sys/kernel/random/boot_id
}

# Made only while nothing runs: what runs was started without it. A key file of a mongod may hold
# hexadecimal digits, too (deploy/database.sh).
make_database_password() (
  umask 077
  file=$VAR_DIR/database-password
  if [[ $DATABASE_SERVER != external && ! -e $file ]]; then
    .venv/bin/python -c 'import secrets; print(secrets.token_hex(32))' >"$file.new"
    mv -- "$file.new" "$file"
  fi
)

write_nginx_conf() {
  mkdir -p -- "$RUN_DIR/nginx"
  platform config nginx >"$RUN_DIR/nginx/nginx.conf.new"
  mv -- "$RUN_DIR/nginx/nginx.conf.new" "$RUN_DIR/nginx/nginx.conf"
}

# http_status HOST PORT PATH: the status of an answer within 2 s. Not curl: bare machines have none.
http_status() (
  exec 2>/dev/null
  exec 3<>"/dev/tcp/$1/$2" || return 1
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n' "$3" "$PROBE_HOST" >&3
  IFS=' ' read -r -t 2 _ status _ <&3 || return 1
  printf '%s' "$status"
)

answers_well() {
  [[ $(http_status "$@") == 200 ]]
}

# The names of what is not ready yet; nothing when all is.
not_ready() {
  local index api_ready=yes
  answers_well 127.0.0.1 "$API_PORT" /readyz || {
    api_ready=no
    say 'api'
  }
  for ((index = 0; index < ${WORKER_PROCESSES:-1}; index++)); do
    answers_well 127.0.0.1 $((WORKER_PORT + index)) /healthz || say "worker:worker_$index"
  done
  for ((index = 0; index < WSD_PROCESSES; index++)); do
    answers_well "${WSD_ADDRESS:-127.0.0.1}" $((WSD_PORT + index)) /readyz || say "wsd:wsd_$index"
  done
  # Asked too early, nginx would log an error for each time.
  if [[ $api_ready == yes ]]; then
    answers_well "${SERVER_ADDRESS:-127.0.0.1}" "$SERVER_PORT" /readyz || say 'nginx'
  fi
}

wait_until_ready() {
  local waiting deadline=$((SECONDS + READY_SECONDS))
  while waiting=$(not_ready) && [[ -n $waiting ]]; do
    if ((SECONDS >= deadline)); then
      printf 'Not ready after %s s: %s\n' "$READY_SECONDS" "${waiting//$'\n'/, }" >&2
      die 'It goes on trying. See ./manage.sh status, ./manage.sh logs and ./platformctl doctor.'
    fi
    sleep 0.2
  done
}

# The database first: no other process writes before the collections and indexes exist.
prepare_database() {
  init_db --started-here --wait "$READY_SECONDS" || give_up 'The database could not be prepared'
}

# It says something only when it fails.
init_db() {
  if ! platform init-db "$@" >"$RUN_DIR/init-db.out" 2>&1; then
    cat -- "$RUN_DIR/init-db.out" >&2
    return 1
  fi
}

give_up() {
  stop_all
  die "$1 (everything was stopped again)."
}

start_programs() {
  # Those that run already are errors to supervisorctl, not to us.
  ctl start all >"$RUN_DIR/start.out" 2>&1 ||
    grep ERROR "$RUN_DIR/start.out" | grep -v 'already started' >&2 || true
}

# restart_wsd: one process after another, so that only its own modules notice.
restart_wsd() {
  local index deadline
  for ((index = 0; index < WSD_PROCESSES; index++)); do
    ctl restart "wsd:wsd_$index" >/dev/null
    deadline=$((SECONDS + READY_SECONDS))
    until answers_well "${WSD_ADDRESS:-127.0.0.1}" $((WSD_PORT + index)) /readyz; do
      ((SECONDS < deadline)) || die "wsd_$index does not come back: see $VAR_DIR/logs/wsd_$index.log"
      sleep 0.1
    done
    say "  wsd_$index restarted"
  done
}

# HUP: gunicorn starts new workers on the same listening socket and lets the old ones finish.
reload_api() {
  local master old deadline=$((SECONDS + READY_SECONDS))
  master=$(ctl pid api)
  old=$(children_of "$master")
  ctl signal HUP api >/dev/null
  until [[ -n $(children_of "$master") ]] && ! share_a_line "$old" "$(children_of "$master")" &&
    answers_well 127.0.0.1 "$API_PORT" /readyz; do
    ((SECONDS < deadline)) || die "The new api does not answer: see $VAR_DIR/logs/api.log"
    sleep 0.2
  done
  say '  api reloaded'
}

children_of() {
  local stat line fields
  for stat in /proc/[0-9]*/stat; do
    { IFS= read -r line <"$stat"; } 2>/dev/null || continue
    read -r -a fields <<<"${line##*) }"
    [[ ${fields[1]} != "$1" ]] || printf '%s\n' "${line%% *}"
  done
}

share_a_line() {
  grep -qxF -f <(printf '%s\n' "$1") <<<"$2"
}

# Ask supervisord to stop everything in command, then end whatever of its session is left.
stop_all() {
  local sid pid
  sid=$(cat -- "$RUN_DIR/supervisord.pid" 2>/dev/null) || return 0
  if pid=$(supervisord_pid); then
    ctl shutdown >/dev/null 2>&1 || kill -TERM "$pid" 2>/dev/null || true
    wait_for_end 45 "$pid" || true
  fi
  # After a reboot the number means nothing, or is another process's.
  if [[ ${STARTED_BOOT:-} == "$(this_boot)" ]]; then
    end_session "$sid"
  fi
  rm -f -- "$RUN_DIR/supervisord.pid" "$RUN_DIR/started.env" "$SUPERVISOR_SOCKET"
}

end_session() {
  local left signal
  for signal in TERM KILL; do
    mapfile -t left < <(processes_of_session "$1")
    ((${#left[@]})) || return 0
    kill "-$signal" "${left[@]}" 2>/dev/null || true
    wait_for_end 3 "${left[@]}" || true
  done
}

# wait_for_end SECONDS PID…
wait_for_end() {
  local deadline=$((SECONDS + $1))
  shift
  while kill -0 "$@" 2>/dev/null; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}
