"""Makes of a request in the mode `sftp` what is started (docs/extensions.md#sftp)."""

import json
from collections.abc import Mapping

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.services.node.files import start
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.files.program import CHILD, library


class FileService:
    """Tells a transfer's process what the node lets it do."""

    def __init__(self, policy: FilesPolicy) -> None:
        self._policy = policy

    @property
    def is_offered(self) -> bool:
        """Whether files can be copied."""
        return self._policy.is_offered and bool(library())

    def variables(self) -> Mapping[str, str]:
        """Return what the process is told. Raises `SessionRejectedException` where there is none."""
        if not self._policy.is_offered:
            text = "This node copies no files for anybody, as its operator has said"
            raise SessionRejectedException(text, code=ErrorCodes.SESSION_REJECTED)
        if not library():
            text = "This node cannot copy files, as it has no asyncssh: pip install 'omnyshell[files]' there"
            raise SessionRejectedException(text, code=ErrorCodes.SESSION_REJECTED)
        asked = {
            "child": CHILD,
            "library": library(),
            "roots": self._policy.roots,
            "readOnly": self._policy.read_only,
        }
        return {start.ASKED: json.dumps(asked)}
