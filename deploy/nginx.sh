#!/usr/bin/env bash
# Become nginx; started by supervisord, never by hand.
set -euo pipefail
# What it says before it has read its configuration lands where its later errors do.
exec >>"$VAR_DIR/logs/nginx-error.log" 2>&1

# Workers of a master that was killed do not notice: they would hold the port for ever. When we are
# started, no nginx of this platform is meant to run, and all that are lie in supervisord's session.
session_of() {
  local line fields
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -r -a fields <<<"${line##*) }" # after the name: state, parent, group, session
  printf '%s' "${fields[3]}"
}

own=$(session_of $$)
for name in /proc/[0-9]*/comm; do
  pid=${name//[!0-9]/}
  if [[ $(cat "$name" 2>/dev/null) == nginx && $(session_of "$pid") == "$own" ]]; then
    printf 'ending process %s, a worker of a killed nginx\n' "$pid" >&2
    kill -KILL "$pid" || true
  fi
done

exec "$NGINX_PATH" -p "$VAR_DIR/run/nginx/" -c nginx.conf -e stderr -g "$NGINX_GLOBALS"
