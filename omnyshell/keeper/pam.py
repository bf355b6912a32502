"""PAM's account and session phases, for the child of a keeper of root's that becomes a program.

libpam and ctypes are loaded in that child alone: the keeper stays what it is, whatever a module does. The order is
sshd's: account, credentials, session. Nobody is asked for anything, so a module that asks fails.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .trust import UntrustedError, check, loaded_files
from .users import RefusedError

if TYPE_CHECKING:
    from ctypes import CDLL

SERVICE = "omnyshell"
SERVICE_FILE = f"/etc/pam.d/{SERVICE}"
"""Where it is there, PAM is asked unless the node's file says otherwise."""

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing listens there
"""Where a session comes from, as modules are told: from elsewhere. A name would be looked up by some of them."""

MOST_SAID = 4000
"""Characters of what modules say that are kept: as many as a terminal takes that nobody reads yet."""

_LIBRARY = "libpam.so.0"

# From security/_pam_types.h.
_SUCCESS, _CONVERSATION_FAILED, _NO_MEMORY, _NEW_PASSWORD = 0, 19, 5, 12
_USER, _TTY, _RHOST, _RUSER = 2, 3, 4, 8
_ESTABLISH, _DELETE, _SILENT = 0x2, 0x4, 0x8000
_ERROR, _INFORMATION = 3, 4
_MOST_MESSAGES = 32


class Asked(NamedTuple):
    """For whom PAM is asked, and what it is told of them."""

    user: str
    principal: str
    terminal: str
    """The path of a terminal; empty where there is none."""


class Transaction:
    """One use of libpam. Its end is `close`, in this process or in one that was forked from it."""

    def __init__(self, asked: Asked) -> None:
        """Begin. Raises `RefusedError` where there is no PAM, or it does not know the service."""
        self.said: list[str] = []
        """What modules said, in the order in which they did."""

        self._asked = asked
        self._library = _load()
        self._is_established = self._is_open = False
        self._status = _SUCCESS
        # What libpam calls has to stay for as long as it may.
        self._conversation, self._answer = _conversation(self._hear)
        self._handle = self._begin()
        self._describe()

    def check_account(self) -> None:
        """Ask whether the user may come in now. Raises `RefusedError` with what the modules say where not."""
        self._insist(self._library.pam_acct_mgmt(self._handle, 0))

    def open(self) -> None:
        """Establish credentials, and open a session.

        Raises `RefusedError`; what was opened until then is for `close`.
        """
        # As with sshd's keys, PAM has authenticated nobody, and its modules may have no credentials to give.
        self._is_established = self._library.pam_setcred(self._handle, _ESTABLISH | _SILENT) == _SUCCESS
        self._is_open = True
        self._insist(self._library.pam_open_session(self._handle, 0))
        self._check_user()

    def environment(self) -> dict[bytes, bytes]:
        """Return the variables that modules set for the session."""
        import ctypes

        found, at = self._library.pam_getenvlist(self._handle), 0
        variables: dict[bytes, bytes] = {}
        while found and (word := found[at]):
            name, _, text = ctypes.string_at(word).partition(b"=")
            variables[name] = text
            at += 1
        return variables

    def unset(self, name: bytes) -> None:
        """Remove a variable that modules set. Idempotent."""
        if self._library.pam_getenv(self._handle, name):
            self._library.pam_putenv(self._handle, name)

    def close(self) -> None:
        """Close what was opened, delete credentials, and end. Errors of modules are theirs to log."""
        if self._is_open:
            self._library.pam_close_session(self._handle, _SILENT)
        if self._is_established:
            self._library.pam_setcred(self._handle, _DELETE | _SILENT)
        self._library.pam_end(self._handle, self._status)

    def _begin(self) -> Any:
        import ctypes

        handle = ctypes.c_void_p()
        user = self._asked.user.encode()
        status = self._library.pam_start(SERVICE.encode(), user, ctypes.byref(self._conversation), ctypes.byref(handle))
        if status != _SUCCESS:
            raise RefusedError(f"PAM does not begin for '{self._asked.user}': error {status}")
        return handle

    def _describe(self) -> None:
        items = {_RUSER: self._asked.principal, _RHOST: UNKNOWN_ADDRESS, _TTY: self._asked.terminal}
        for item, text in items.items():
            if text:
                self._insist(self._library.pam_set_item(self._handle, item, text.encode()))

    def _check_user(self) -> None:
        """Refuse where a module took the user for another one: who that is was decided by [users]."""
        import ctypes

        found = ctypes.c_char_p()
        self._insist(self._library.pam_get_item(self._handle, _USER, ctypes.byref(found)))
        if found.value != self._asked.user.encode():
            raise RefusedError(f"PAM takes '{self._asked.user}' for somebody else")

    def _insist(self, status: int) -> None:
        if status == _SUCCESS:
            return
        self._status = status
        text = self._library.pam_strerror(self._handle, status) or b""
        why = " ".join(self.said) or text.decode(errors="replace")
        why = " ".join("".join(char if char.isprintable() else " " for char in why).split())
        if status == _NEW_PASSWORD:
            why += " There is no way to do so here"
        raise RefusedError(f"PAM refuses '{self._asked.user}': {why}")

    def _hear(self, text: str) -> None:
        room = MOST_SAID - sum(len(said) + 1 for said in self.said)
        if room > 0 and text:
            self.said.append(text[:room])


def _load() -> "CDLL":
    """Load libpam. Raises `RefusedError` where it or ctypes cannot be had, or others could have written them."""
    before, seen = loaded_files(), set[str]()
    try:
        import ctypes

        library = ctypes.CDLL(_LIBRARY)
        for path in loaded_files() - before:
            check(path, seen)
    except (ImportError, OSError) as exc:
        # An interpreter that was replaced since the keeper started may have another ctypes, or none.
        raise RefusedError(f"PAM cannot be asked: {exc}") from exc
    except UntrustedError as exc:
        raise RefusedError(f"PAM is not asked where others could have written: {exc}") from exc
    text, pointer, number = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int
    library.pam_start.argtypes = (text, text, pointer, pointer)
    library.pam_set_item.argtypes = (pointer, number, text)
    library.pam_get_item.argtypes = (pointer, number, pointer)
    library.pam_strerror.argtypes = (pointer, number)
    library.pam_strerror.restype = text
    library.pam_getenv.argtypes = library.pam_putenv.argtypes = (pointer, text)
    library.pam_getenv.restype = text
    library.pam_getenvlist.argtypes = (pointer,)
    library.pam_getenvlist.restype = ctypes.POINTER(pointer)
    for name in ("pam_acct_mgmt", "pam_setcred", "pam_open_session", "pam_close_session", "pam_end"):
        getattr(library, name).argtypes = (pointer, number)
    return library


def _conversation(hear: Callable[[str], None]) -> tuple[Any, Any]:
    """Return a `struct pam_conv` that tells `hear` what modules say, and fails what they ask; and its function."""
    import ctypes

    pointer, number = ctypes.c_void_p, ctypes.c_int

    class Message(ctypes.Structure):
        _fields_ = (("style", number), ("text", ctypes.c_char_p))

    class Conversation(ctypes.Structure):
        _fields_ = (("function", pointer), ("data", pointer))

    messages = ctypes.POINTER(ctypes.POINTER(Message))
    calloc = ctypes.CDLL(None).calloc
    calloc.argtypes, calloc.restype = (ctypes.c_size_t, ctypes.c_size_t), pointer

    def converse(count: int, said: Any, answers: Any, _data: Any) -> int:
        if not 0 < count <= _MOST_MESSAGES:
            return _CONVERSATION_FAILED
        heard = [said[at].contents for at in range(count)]
        if any(each.style not in (_ERROR, _INFORMATION) for each in heard):
            return _CONVERSATION_FAILED
        # The module frees it: an answer for each message, which is a pointer and a number, and empty here.
        answers[0] = calloc(count, 2 * ctypes.sizeof(pointer))
        for each in heard:
            hear((each.text or b"").decode(errors="replace"))
        return _SUCCESS if answers[0] else _NO_MEMORY

    function = ctypes.CFUNCTYPE(number, number, messages, ctypes.POINTER(pointer), pointer)(converse)
    return Conversation(ctypes.cast(function, pointer), None), function
