"""The tests that may be skipped where all must run (`OMNYSHELL_KNOWN_SKIPS`, as `.ci/run` sets it), and why."""

import os
import re
from collections.abc import Iterable

import pytest

KNOWN = {
    r"(?!tmux|ssh|openssl|haproxy|rsync)[\w/-]+ is not installed": "others of its kind go the same way",
    r"haproxy is not installed": "what it writes before a connection is said byte by byte in tests that always run",
    r"rsyslog with its gtls driver is not installed": "a receiver of the tests' own takes the same lines over TLS",
    r"only root can .*": "ordinary users run the tests too; what is tried there is tried on paths of their own as well",
    r"(?s)this checkout has no history back to version 0\.1\.0.*": "a shallow checkout lacks what 0.1.0 is built from",
    r"no disk can be mounted here": "a container may not mount; tests that always run raise what a full disk raises",
    r"no access lists here": "the file system of this machine has none",
    r"no control groups can be made here": "what is decided about them is tried in a tree of plain files as well",
    r"there is no \S+ here": "one of many programs that a restricted node's user would start others with",
}  # fmt: skip
"""What a skip says, as a pattern, and why the suite is whole without it."""


def unknown(reports: Iterable[pytest.TestReport]) -> list[str]:
    """The skipped tests that are not on the list, each with what it says; none where nobody asks."""
    if not os.environ.get("OMNYSHELL_KNOWN_SKIPS"):
        return []
    said = [(report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in reports]
    return [f"{test}: {why}" for test, why in said if not any(re.fullmatch(known, why) for known in KNOWN)]
