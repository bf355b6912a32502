"""The extensions that a hub announces (docs/extensions.md)."""

from omnyshell.protocol.extensions import (
    ADMIN,
    ADMIN_ENDS,
    AUDIT_ACKNOWLEDGE,
    AUTH_BIND,
    AUTH_BIND_2,
    CLIPBOARD_AUDIT,
    EVENTS,
    FLEET_INVITES,
    INTERACTIVE,
    LOCKS,
    NODE_INSTANCE,
    RESUME_OFFSET,
    RIGHTS,
    SCREEN_ETAG,
    TUNNEL_EOF,
    WIDE_WINDOW,
)

FEATURES = frozenset(
    {
        INTERACTIVE,
        AUTH_BIND,
        AUTH_BIND_2,
        RESUME_OFFSET,
        SCREEN_ETAG,
        TUNNEL_EOF,
        ADMIN,
        ADMIN_ENDS,
        AUDIT_ACKNOWLEDGE,
        EVENTS,
        CLIPBOARD_AUDIT,
        WIDE_WINDOW,
        NODE_INSTANCE,
        RIGHTS,
        LOCKS,
        FLEET_INVITES,
    }
)
