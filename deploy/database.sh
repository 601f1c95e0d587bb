#!/usr/bin/env bash
# Become the database server that the settings chose; started by supervisord, never by hand.
set -euo pipefail
# Into a file, not into a pipe to supervisord, which may stand still; the watchdog keeps it short.
exec >>"$VAR_DIR/logs/database.log" 2>&1
data=$VAR_DIR/db
password=$VAR_DIR/database-password # made by `up`
mkdir -p -- "$data"
chmod 700 -- "$data"

# Without OPEN_DOOR (deploy/database_password.py) the server asks for the password, if there is one.
mongod=() embedded=()
if [[ -f $password && -z ${OPEN_DOOR:-} ]]; then
  if [[ $(cat -- "$data/password-set" 2>/dev/null) != "$(sha256sum <"$password")" ]]; then
    .venv/bin/python -m deploy.database_password
  fi
  mongod=(--keyFile "$password")
  embedded=(--auth)
fi

if [[ $DATABASE_SERVER == mongod ]]; then
  # `platformctl init-db` makes it a replica set of one. No other primary could take over at a stop,
  # so there is nothing to wait for.
  [[ -n ${OPEN_DOOR:-} ]] || mongod+=(--replSet forecast)
  exec "$MONGOD_PATH" "${mongod[@]}" --bind_ip 127.0.0.1 --port "$MONGODB_PORT" \
    --dbpath "$data" --setParameter shutdownTimeoutMillisForSignaledShutdown=100
fi

# --sync-on-commit: without it a kill loses acknowledged writes, and change streams skip events.
# --noop-heartbeat-seconds, --oplog-*: a change stream that heard nothing for a day can go on.
# Not --standalone: it has no change streams.
exec .venv/bin/python -m secantus --config deploy/embedded-database.toml "${embedded[@]}" \
  --host 127.0.0.1 --port "$MONGODB_PORT" --storage-path "$data" --sync-on-commit \
  --noop-heartbeat-seconds 10 --oplog-max-entries 200000 --oplog-retention-seconds 86400 \
  --cache-size 256M --session-max 2000 --log-level WARNING
