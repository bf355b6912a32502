"""The extensions (docs/protocol.md#extensions): their names, and who announces each.

One is used only toward a peer that announced it.
"""

INTERACTIVE = "interactive"
"""A login shell with prompt and echo."""

AUTH_BIND = "auth-bind"
"""A key's proof that names the hub's certificate, beside the one over the nonce."""

AUTH_BIND_2 = "auth-bind-2"
"""One proof of a key that names certificate, role, principal, host and port, in place of both."""

SECURITY_KEYS = "security-keys"
"""A login with a key that a hardware token holds, after a touch."""

ADMIN = "admin"
"""Administration of a hub, and joining by invite."""

ADMIN_ENDS = "admin-ends"
"""Roles and keys that are granted for a time."""

AUDIT_ACKNOWLEDGE = "audit-acknowledge"
"""An admin says that gaps of the audit trail are known."""

AUDIT_OF_HUBS = "audit-of-hubs"
"""An admin reads the audit trail of any of several hubs, page by page, at the one that is asked."""

RESUME_OFFSET = "resume-offset"
"""Shells and commands go on after a lost connection with no byte lost or doubled."""

SCREEN_ETAG = "screen-etag"
"""A screen that has not changed is not sent again; that of an ended session can still be had."""

TUNNEL_EOF = "tunnel-eof"
"""One direction of a tunnel's connection ends, and the other goes on."""

EVENTS = "events"
"""A subscription to a hub's live state."""

CLIPBOARD_AUDIT = "clipboard-audit"
"""The hub learns that a program wrote to the clipboard."""

WIDE_INPUT = "wide-input"
"""More than 256 KiB of input may be under way."""

WIDE_WINDOW = "wide-window"
"""More than 1 MiB of output may be under way."""

NODE_INSTANCE = "node-instance"
"""A node says which process it is, so that two with one id do not fight for ever."""

EPOCHS = "epochs"
"""A node that moves between hubs says how new what it has seen is, so that none of them serves it by an older word."""

PLACE_PROOFS = "place-proofs"
"""A node proves by its key at which of several hubs it is, so that no other one can say that it has it."""

HUBS = "hubs"
"""Peers learn which other hubs there are, and go to one of them when theirs ends, or has them go."""

HUB_MEMBERS = "hub-members"
"""An admin lets another hub in among several, or has one be no member any more."""

RIGHTS = "rights"
"""Why something is refused, which rights there are, and listings of bounded length."""

LOCKS = "locks"
"""Principals, nodes and roles can be locked."""

FLEET_INVITES = "fleet-invites"
"""One invite for many machines."""

KEPT_COMMANDS = "kept-commands"
"""The hub learns which commands wait in a node, and ends them."""

HISTORY = "history"
"""Lines that left a session's screen can be had, page by page."""

LEADER_ONLY = "leader-only"
"""A command may end with its own process, whoever still holds its output."""

BYTE_TEXT = "byte-text"
"""Arguments, directories and variables may hold bytes that are no UTF-8."""

OTHERS_SESSIONS = "others-sessions"
"""Sessions of other principals are watched, taken over and ended by who may."""

WIDTHS = "widths"
"""A client says how its terminal counts columns, so that the node's screen does alike."""

VITALS = "vitals"
"""How nodes' machines are, while somebody looks."""

LOGINS = "logins"
"""A session may be of a user of the node's machine; the node learns the roles of who asks."""

SESSION_USAGE = "session-usage"
"""What sessions take of their machine: memory, processor time, processes."""

FORWARD = "forward"
"""A client reaches what its nodes reach, for itself alone."""

FORWARD_AHEAD = "forward-ahead"
"""A connection of a forward is asked for ahead, and made once it is used."""

AGENT = "agent"
"""Programs at a node ask the ssh-agent of a client, for as long as that lets them."""

SSH = "ssh"
"""OpenSSH's own tools reach a node, with the system's sshd behind them."""

SFTP = "sftp"
"""Files are copied to and from a node, by SFTP."""

KEPT_TUNNELS = "kept-tunnels"
"""A tunnel to a node comes back with the hub, and with the node."""

WHOLE_VIEW = "whole-view"
"""Subscribers see what is live at several hubs, at which hub each is, and how old what is known of a hub is."""

OF_HUB = frozenset(
    {
        KEPT_TUNNELS,
        SFTP,
        SSH,
        FORWARD,
        FORWARD_AHEAD,
        AGENT,
        BYTE_TEXT,
        HISTORY,
        HUBS,
        HUB_MEMBERS,
        LEADER_ONLY,
        LOGINS,
        INTERACTIVE,
        AUTH_BIND,
        AUTH_BIND_2,
        SECURITY_KEYS,
        RESUME_OFFSET,
        SCREEN_ETAG,
        TUNNEL_EOF,
        ADMIN,
        ADMIN_ENDS,
        AUDIT_ACKNOWLEDGE,
        AUDIT_OF_HUBS,
        EVENTS,
        CLIPBOARD_AUDIT,
        WIDE_INPUT,
        WIDE_WINDOW,
        NODE_INSTANCE,
        EPOCHS,
        PLACE_PROOFS,
        RIGHTS,
        LOCKS,
        FLEET_INVITES,
        VITALS,
        OTHERS_SESSIONS,
        SESSION_USAGE,
        WHOLE_VIEW,
        WIDTHS,
    }
)
"""What a hub announces."""

OF_NODE = frozenset(
    {
        AGENT,
        SFTP,
        SSH,
        FORWARD,
        FORWARD_AHEAD,
        BYTE_TEXT,
        EPOCHS,
        EVENTS,
        HISTORY,
        HUBS,
        INTERACTIVE,
        KEPT_COMMANDS,
        LEADER_ONLY,
        LOGINS,
        NODE_INSTANCE,
        PLACE_PROOFS,
        RESUME_OFFSET,
        RIGHTS,
        SCREEN_ETAG,
        SESSION_USAGE,
        TUNNEL_EOF,
        VITALS,
        WIDE_INPUT,
        WIDE_WINDOW,
        WIDTHS,
    }
)
"""What a node announces."""

OF_CLIENT = frozenset(
    {
        AGENT,
        SFTP,
        SSH,
        FORWARD,
        FORWARD_AHEAD,
        HISTORY,
        HUBS,
        INTERACTIVE,
        LOGINS,
        OTHERS_SESSIONS,
        RESUME_OFFSET,
        RIGHTS,
        SCREEN_ETAG,
        SESSION_USAGE,
        TUNNEL_EOF,
        CLIPBOARD_AUDIT,
        VITALS,
        WIDE_INPUT,
        WIDE_WINDOW,
        WHOLE_VIEW,
    }
)
"""What a client for sessions and tunnels announces."""

OF_ADMIN = frozenset({ADMIN, ADMIN_ENDS, HUBS, LOGINS, WHOLE_VIEW})
"""What a client for administration announces."""

OF_LIVE_FEED = frozenset({SESSION_USAGE, EVENTS, HUBS, LOGINS, OTHERS_SESSIONS, RIGHTS, VITALS, WHOLE_VIEW})
"""What a client announces that follows a hub's live state."""

OF_JOINING = frozenset({ADMIN, AUTH_BIND, AUTH_BIND_2})
"""What a peer announces that joins by an invite."""
