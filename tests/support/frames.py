"""Frames as careless and hostile clients write them, for property tests."""

from hypothesis import strategies as st

_KINDS = ("ack", "progress", "result", "hello", "bye", "pong", "ping", "cancel", "execute", "")
_KEYS = (
    *("type", "status", "id", "execution_id", "meta", "result", "error", "message", "percent"),
    *("note", "retry_after_s", "in_flight", "acks", "sdk", "reason", "back_by", "$odd.key", ""),
)


def _repeat(begin: bytes, end: bytes) -> st.SearchStrategy[bytes]:
    depths = st.sampled_from([2, 63, 130, 254, 255, 300, 1023, 1025, 5000])
    return depths.map(lambda depth: begin * depth + b"1" + end * depth)


def _object(pairs: list[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(b'"%b":%b' % (key.encode(), value) for key, value in pairs) + b"}"


_scalars = st.sampled_from(
    [
        *(b"null", b"true", b"0", b"-1", b"1.5", b"1e308", b"1e309", b"-1e999", b"1e-400"),
        *(b"NaN", b"-Infinity", b"%d" % 2**63, b"-%d" % 2**64, b"9" * 25, b"9" * 5000),
        *(b'""', b'"m-1"', b'"failure"', b'"cancelled"', b'"\\ud800"', b'"\\udc00\\ud800"'),
        *(b'"\\u0000"', b'"$where"', b'"\xff\xfe"', b'"' + b"x" * 20_000 + b'"', b"oops", b""),
    ]
)
_deep = _repeat(b"[", b"]") | _repeat(b'{"a":', b"}") | _repeat(b'{"meta":', b"}")
_values = st.recursive(
    _scalars | _deep,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: b"[" + b",".join(some) + b"]")
        | st.lists(st.tuples(st.sampled_from(_KEYS), inner), max_size=3).map(_object)
    ),
    max_leaves=4,
)


def odd_frames(message_id: str = "m-1") -> st.SearchStrategy[bytes]:
    """Return frames of every kind, with odd values, repeated keys, and this id among them."""
    named = st.just(("id", b'"%b"' % message_id.encode()))
    pair = st.tuples(st.sampled_from(_KEYS), _values) | named
    kind = st.sampled_from(_KINDS).map(lambda word: ("type", b'"%b"' % word.encode()))
    return st.tuples(kind, st.lists(pair, max_size=5)).map(
        lambda found: _object([found[0], *found[1]])
    )
