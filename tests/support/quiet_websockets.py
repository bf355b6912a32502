"""How the tests' own peers and servers speak WebSockets: what a test has them say, and no more."""

from typing import Any

from support.deadline import DEADLINE

QUIET: dict[str, Any] = {"compression": None, "ping_interval": None, "open_timeout": DEADLINE}
"""Options of the websockets library, whose own pings end who is stopped for some time, or has it read nothing."""
