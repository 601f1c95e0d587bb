# Working on the code: tests, checks, benches, locked requirements. Sourced by manage.sh.
# shellcheck shell=bash

install_test_tools() {
  take_turn
  install_packages requirements-dev.txt requirements-embedded-db.txt
  have_nginx || install_nginx || say 'warning: nginx is missing; what needs it will fail'
  have_node || apt_install nodejs node-ws || say 'warning: Node is missing; what needs it will fail'
  end_turn
}

require_test_tools() {
  install_test_tools
  export PYTHONASYNCIODEBUG=1
  unset PYTHONDONTWRITEBYTECODE # each process of a test would compile all of us again
}

cmd_test() {
  require_test_tools
  case ${1:-all} in
    all) run_all_tests ;;
    fast) run_pytest -m 'not e2e and not kill' tests/domain tests/wsd/test_protocol.py tests/wsd/test_session.py ;;
    *) run_pytest "$@" ;;
  esac
}

run_pytest() { .venv/bin/python -m pytest "$@"; }

# Most tests wait for something, if only for a moment: more of them at once than there are cores.
# Those that kill and freeze processes measure seconds, and mostly wait: three files beside each
# other, each on a platform of its own. The slow ones come in the middle, not last.
run_all_tests() {
  run_pytest -n "$((1 + $(nproc)))" --dist worksteal -m 'not e2e and not kill'
  run_pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'e2e or kill'
}

cmd_check() {
  require_test_tools
  .venv/bin/python -m ruff format --check .
  .venv/bin/python -m ruff check .
  .venv/bin/python -m mypy
  if command -v shellcheck >/dev/null; then
    shellcheck manage.sh platformctl deploy/*.sh .ci/run
  fi
  run_all_tests
}

cmd_fmt() {
  install_packages requirements-dev.txt
  .venv/bin/python -m ruff check --fix .
  .venv/bin/python -m ruff format .
}

cmd_coverage() {
  require_test_tools
  run_pytest --cov --cov-report=term-missing:skip-covered "$@"
}

# Without the debug switch of the tests: what is measured is what users run.
cmd_bench() {
  install_test_tools
  .venv/bin/python -m bench.run "$@"
}

cmd_lock() {
  local name
  install_packages requirements-dev.txt
  for name in runtime:requirements dev:requirements-dev embedded-db:requirements-embedded-db; do
    .venv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
      "requirements/${name%:*}.in" -o "${name#*:}.txt"
  done
}
