# The unit that starts the platform at boot. Sourced by manage.sh.
# shellcheck shell=bash

cmd_enable() {
  local unit path name
  [[ -x .venv/bin/python ]] || die 'Run ./manage.sh up once first.'
  load_settings_of_boot
  name=forecast-platform-$SERVER_PORT.service
  unit=$(systemd_unit)
  if ((EUID != 0)); then
    say "$unit"
    die "Only root can install this unit: sudo ./manage.sh enable"
  fi
  command -v systemctl >/dev/null || die 'This machine has no systemd: start ./manage.sh up at boot in its own way.'
  path=/etc/systemd/system/$name
  printf '%s\n' "$unit" >"$path"
  systemctl enable "$name"
  say "The platform starts at boot ($path). By hand: systemctl start $name"
}

# `up` as the owner of the checkout; a percent sign in its path would be a specifier.
systemd_unit() {
  local directory=${PROJECT_DIR//%/%%}
  cat <<END
[Unit]
Description=Forecast platform, port $SERVER_PORT
Wants=network-online.target
After=network-online.target

[Service]
Type=forking
User=$(stat -c %U .)
WorkingDirectory=$directory
ExecStart="$directory/manage.sh" up
ExecStop="$directory/manage.sh" down
PIDFile=${RUN_DIR//%/%%}/supervisord.pid
# The first start installs packages; a database that comes late is waited for.
TimeoutStartSec=15min
TimeoutStopSec=60
Restart=on-failure
RestartSec=10
LimitNOFILE=262144

[Install]
WantedBy=multi-user.target
END
}
