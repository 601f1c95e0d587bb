"""A WebSocket client's frames, as bytes: just enough for modules that work."""

MASK = b"\x5a\xa5\x3c\xc3"
PING = b"\x89\x00"
TEXT, CLOSE = 0x1, 0x8


def mask(head: bytes, text: bytes) -> bytes:
    """Return a client's frame."""
    size = len(text)
    key = (MASK * (size // 4 + 1))[:size]
    return head + MASK + (int.from_bytes(text) ^ int.from_bytes(key)).to_bytes(size)


def text_frame(text: bytes) -> bytes:
    """Return a client's text frame."""
    size = len(text)
    if size < 126:
        return mask(bytes([0x81, 0x80 | size]), text)
    if size < 2**16:
        return mask(b"\x81\xfe" + size.to_bytes(2), text)
    return mask(b"\x81\xff" + size.to_bytes(8), text)


PONG = mask(b"\x8a\x80", b"")


def take_frames(buffer: bytearray) -> list[tuple[int, bytes]]:
    """Take the server's frames that are complete out of a buffer; return opcodes and payloads."""
    frames, start = [], 0
    while (head := _read_head(buffer, start)) is not None:
        first, end = head
        if end > len(buffer):
            break
        frames.append((buffer[start] & 0x0F, bytes(buffer[first:end])))
        start = end
    del buffer[:start]
    return frames


def _read_head(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at this place begins and ends."""
    if len(buffer) < start + 2:
        return None
    size, extra = buffer[start + 1] & 0x7F, 0
    if size > 125:
        extra = 2 if size == 126 else 8
        size = int.from_bytes(buffer[start + 2 : start + 2 + extra])
    first = start + 2 + extra
    return (first, first + size) if first <= len(buffer) else None
