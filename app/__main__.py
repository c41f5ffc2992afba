"""``hitl``, also as ``python -m app``."""

import gc

gc.disable()  # what modules build stays: looking at it again and again is a quarter of the time to start

from app.cli import main  # noqa: E402 - see above

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
