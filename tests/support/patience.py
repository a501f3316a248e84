"""How long a test waits for something that takes a moment.

A wait that succeeds takes no longer for it, and a host that is busy with other things is no failure.
"""

PATIENCE_S = 120.0
"""Twenty times what the slowest of these waits took with eight workers on two cores."""
