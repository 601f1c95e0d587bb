"""A wsd that has no change stream: it polls for work, as it does while a stream cannot be opened."""

import sys

from wsd.__main__ import main
from wsd.work_stream import WorkStream

if __name__ == "__main__":
    WorkStream.start = lambda self: None  # type: ignore[method-assign]
    sys.exit(main())
