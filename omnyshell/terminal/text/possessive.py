"""Quantifiers of groups that give nothing back, where this Python has them right.

Before 3.11.5, as in Debian 12, a group that has begun to match and fails leaves what it took swallowed. There they are
the greedy ones, which take a tenth longer, and match the same wherever what follows does not fail.
"""

import re
from typing import Final

_ARE_RIGHT: Final = re.match("(?:ab?c)++", "aca").span() == (0, 2)  # type: ignore[union-attr]

ANY, SOME, MAYBE = ("*+", "++", "?+") if _ARE_RIGHT else ("*", "+", "?")
"""None or more, one or more, and none or one."""
