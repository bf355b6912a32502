"""The files of a hub's state directory that a backup holds."""

from omnyshell.services.hub.audit_store import AUDIT_FILE, KEY_FILE as AUDIT_KEY_FILE
from omnyshell.services.hub.kept_store import KEY_FILE as SESSIONS_KEY_FILE
from omnyshell.services.hub.state_file import STATE_FILE

UID_FILE = "uid-hub.json"
DATABASES = (STATE_FILE, AUDIT_FILE)
STATE_NAMES = (*DATABASES, AUDIT_KEY_FILE, SESSIONS_KEY_FILE, UID_FILE)
