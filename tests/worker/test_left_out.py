"""What is left out comes back after a while."""

from worker.left_out import LEFT_OUT_SECONDS, LeftOut


def test_it_is_left_out_for_a_while() -> None:
    seconds = [0.0]
    left_out = LeftOut[str](monotonic=lambda: seconds[0])
    left_out.add(["a"])
    seconds[0] = LEFT_OUT_SECONDS / 2
    left_out.add(["b"])
    assert left_out.now() == {"a", "b"}
    seconds[0] = LEFT_OUT_SECONDS
    assert left_out.now() == {"b"}
