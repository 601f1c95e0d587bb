"""Lines of every program, as they really write them, in one form."""

import time
from datetime import UTC, datetime

import pytest

from deploy.log_lines import LogLine, parse


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no zone is local time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


APP = (
    '{"event": "enrolled", "level": "info", "logger": "wsd.lease", "node": "vm:1", '
    '"timestamp": "2026-11-21T21:32:16.141856Z", "process": 5366, "program": "wsd-0"}'
)
NGINX = (
    '{"timestamp":"2026-11-22T05:32:16+08:00","remote_addr":"::1","method":"GET","path":"/a",'
    '"status":200,"bytes":63}'
)
MONGOD = (
    '{"t":{"$date":"2026-11-21T21:32:16.000+00:00"},"s":"W","c":"CONTROL","id":22120,"ctx":"main",'
    '"msg":"Access control","attr":{"port":1}}'
)


@pytest.mark.parametrize(
    ("text", "level", "event", "fields"),
    [
        (APP, "info", "enrolled", {"node": "vm:1"}),
        (NGINX, "info", "GET /a 200", {"remote_addr": "::1", "bytes": 63}),
        (MONGOD, "warning", "Access control", {"port": 1}),
        ("2026-11-21 21:32:16,558 WARN stopped: api", "warning", "stopped: api", {}),
        ("2026-11-21 21:32:16,007 INFO __main__: asks", "info", "__main__: asks", {}),
        ("2026-11-21 21:32:16,007 process 7 is hung", "", "process 7 is hung", {}),
        ("2026/11/21 21:32:16 [crit] 12#0: *1 no", "critical", "12#0: *1 no", {}),
    ],
)
def test_each_programs_line_is_understood(
    text: str, level: str, event: str, fields: dict[str, object]
) -> None:
    line = parse(text, "it", None)
    assert line.at.replace(microsecond=0) == datetime(2026, 11, 21, 21, 32, 16, tzinfo=UTC)
    assert (line.program, line.level, line.event, line.fields) == ("it", level, event, fields)


@pytest.mark.parametrize("text", ["  File x.py, line 1", '{"cut": ', '{"event": "no time"}', "[]"])
def test_a_line_without_a_time_stays_with_the_one_before(text: str) -> None:
    before = parse(APP, "it", None)
    line = parse(text, "it", before)
    assert (line.at, line.level, line.event, line.fields) == (before.at, "info", text, {})
    assert isinstance(parse(text, "it", None), LogLine)
