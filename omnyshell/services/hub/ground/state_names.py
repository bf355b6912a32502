"""The files of a hub's state directory that a backup holds."""

from omnyshell.services.hub.ground.state_file import STATE_FILE

AUDIT_FILE, AUDIT_KEY_FILE = "audit.sqlite3", "audit.key"
SESSIONS_KEY_FILE = "sessions.key"
UID_FILE = "uid-hub.json"
CLUSTER_DIRECTORY, CLUSTER_FILE = "cluster", "cluster.json"
"""Where a hub that is one of several has who it is; a hub alone has none of it."""

ENGINE_KEYS = ("engine-operator.key", "engine-account.key", "engine-system.key")
"""What credentials for the hubs' engine come from, at the hub that founded."""

_OF_ENGINE = ("engine.key", "engine.jwt", "engine-watch.jwt", "engine.conf", "engine-users.json", *ENGINE_KEYS)
CLUSTER_NAMES = tuple(f"{CLUSTER_DIRECTORY}/{name}" for name in (CLUSTER_FILE, "hub.key", *_OF_ENGINE))

DATABASES = (STATE_FILE, AUDIT_FILE)
STATE_NAMES = (*DATABASES, AUDIT_KEY_FILE, SESSIONS_KEY_FILE, UID_FILE)
