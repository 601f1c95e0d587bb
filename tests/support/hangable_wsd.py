"""Run a wsd whose event loop a test can hang: SIGUSR1 keeps its main thread busy until the next."""

import runpy
import signal
import time
from types import FrameType

LOOK_AGAIN_SECONDS = 0.02


class Hang:
    """A signal handler that does not return before it is called again."""

    is_hanging = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.is_hanging = not self.is_hanging
        while self.is_hanging:
            time.sleep(LOOK_AGAIN_SECONDS)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, Hang())
    runpy.run_module("wsd", run_name="__main__", alter_sys=True)
