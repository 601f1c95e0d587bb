"""The frames of the modules that the benches play."""

import pytest

from bench.frames import MASK, TEXT, mask, take_frames, text_frame


def unmask(masked: bytes) -> bytes:
    return bytes(byte ^ MASK[index % 4] for index, byte in enumerate(masked))


def server_frame(text: bytes) -> bytes:
    size = len(text)
    return (bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2)) + text


@pytest.mark.parametrize(("size", "head"), [(0, 2), (5, 2), (125, 2), (126, 4), (70_000, 10)])
def test_a_text_is_masked_behind_a_head_that_tells_its_size(size: int, head: int) -> None:
    text = bytes(range(256)) * (size // 256 + 1)
    frame = text_frame(text[:size])
    assert frame[head : head + 4] == MASK
    assert unmask(frame[head + 4 :]) == text[:size]


def test_an_empty_frame_can_be_masked() -> None:
    assert mask(b"\x8a\x80", b"") == b"\x8a\x80" + MASK


def test_frames_are_taken_as_they_become_complete() -> None:
    stream = server_frame(b"short") + server_frame(b"x" * 300) + server_frame(b"last")
    buffer, taken = bytearray(), []
    for byte in stream:
        buffer.append(byte)
        taken += take_frames(buffer)
    assert taken == [(TEXT, b"short"), (TEXT, b"x" * 300), (TEXT, b"last")]
    assert not buffer


def test_frames_that_arrive_together_are_taken_together() -> None:
    buffer = bytearray(server_frame(b"a") + server_frame(b"b") + server_frame(b"cut")[:3])
    assert take_frames(buffer) == [(TEXT, b"a"), (TEXT, b"b")]
    assert buffer == server_frame(b"cut")[:3]
