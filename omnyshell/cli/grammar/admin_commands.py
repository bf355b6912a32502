"""The commands for a hub's operators: live state, audit trail, principals and invites."""

from omnyshell.cli.grammar.command import JSON, NODE, Command
from omnyshell.options.option import Option
from omnyshell.services.access_options import ACCESS, BINDING, PRINCIPAL
from omnyshell.services.hub_place import HUB_PLACE
from omnyshell.services.service_options import STRICT_MODES

AUDIT_CHOICE = (
    Option("--since", "only records from then on: a span such as 1h or 7d, or a time", "WHEN"),
    Option("--action", "only these actions; a pattern such as session.*", "PATTERN"),
    Option("--principal", "only what this principal did", "NAME"),
    Option("--node", "only what concerns this node", "ID"),
)

AUDIT: tuple[Command, ...] = (
    Command(
        ("audit", "list"),
        "print the audit records of a hub on this machine, or of all hubs that act as one",
        "cluster.audit:list_records",
        (
            *AUDIT_CHOICE,
            Option("--follow", "go on with the records to come", kind="flag"),
            JSON,
            Option("--cluster", "of all hubs, asked over one of them, merged by time", kind="flag"),
            Option("--login", "who to log in as with --cluster", "NAME"),
            *(option for option in ACCESS if option not in (PRINCIPAL, STRICT_MODES)),
            *HUB_PLACE,
        ),
    ),
    Command(
        ("audit", "export"),
        "print audit records as JSON lines, with their hashes",
        "hub.audit:export",
        (*AUDIT_CHOICE, *HUB_PLACE),
    ),
    Command(
        ("audit", "verify"),
        "find altered, removed and reordered audit records; exit code 1 where there are any",
        "hub.audit:verify",
        (
            Option("--public-key", "key that must have signed the trail, noted elsewhere", "BASE64"),
            Option("--expect", "record that must be there, noted elsewhere", "NUMBER:HASH"),
            Option(
                "--against",
                "records that left the machine: an export, or the file of a sink or of syslog; may be repeated",
                "FILE",
                "list",
            ),
            *HUB_PLACE,
        ),
    ),
    Command(
        ("audit", "head"),
        "print where the audit trail ends, to be noted elsewhere",
        "hub.audit:head",
        (Option("--of", "what this other hub has told, for `audit verify --against` there", "HUB"), *HUB_PLACE),
    ),
)

BACKUP: tuple[Command, ...] = (
    Command(
        ("hub", "backup"),
        "write all that a hub on this machine knows into one encrypted file, also while it runs",
        "hub.backup:back_up",
        "omnyshell.services.hub.backup.options:BACKUP_OPTIONS",
    ),
    Command(
        ("hub", "restore"),
        "make a hub's state directory from a backup",
        "hub.backup:restore_hub",
        "omnyshell.services.hub.backup.options:RESTORE_OPTIONS",
    ),
)

AUDIT_OF_HUB = Command(
    ("audit", "acknowledge"),
    "say that you know that the audit trail was tampered with; `audit verify` goes on naming it",
    "admin.hub:acknowledge_audit",
    ACCESS,
)

LIVE: tuple[Command, ...] = (
    Command(
        ("access",),
        "say what somebody may do on a node, as whom, and why",
        "admin.rights:explain",
        (
            Option("who", "the principal, which takes an admin; you if not given", "PRINCIPAL", optional=True),
            NODE,
            JSON,
            *ACCESS,
        ),
    ),
    Command(("top",), "show what a hub carries, busiest first, until q", "live.top:top", ACCESS),
    Command(
        ("events",),
        "print what there is on a hub, and what happens there",
        "live.events:events",
        (
            Option("--follow", "go on with what happens, until ctrl+c", kind="flag"),
            JSON,
            Option(
                "--part",
                "only nodes, sessions, tunnels, peers, metrics, audit or hubs; may be repeated (else all but metrics)",
                "PART",
                "list",
                choices=("nodes", "sessions", "tunnels", "peers", "metrics", "audit", "hubs"),
            ),
            *ACCESS,
        ),
    ),
)

LOCKED = (
    Option("kind", "what it is: principal, node or role", "KIND", choices=("principal", "node", "role")),
    Option("name", "its name or id", "NAME"),
)

TTL = Option("--ttl", "how long the invite can be used, as 15m or 2d", "SPAN", default="15m")
KEY_TTL = Option("--key-ttl", "how long the key that joins is good, as 30d; for ever if not given", "SPAN")
LINE_FILE = Option("--out", "write the line into this new file, which only you can read", "FILE", "file")
USER = Option("name", "the principal", "NAME")
ROLE = Option("--role", "role that it has; may be repeated", "ROLE", "list")
DISPLAY_NAME = Option("--display-name", "name to show", "TEXT")
CREDENTIAL_LABEL = Option("--label", "what it is for", "TEXT")

ADMIN: tuple[Command, ...] = (
    Command(
        ("node", "join"),
        "make this machine a node with an invite, and start it",
        "node.join:join_node",
        (
            Option("hub_url", "hub to join, as the invite says", "URL"),
            Option("--token", "token of the invite, good once; OMNYSHELL_TOKEN, or asked for, if not given", "TOKEN"),
            Option("--token-file", "file that holds the token", "FILE", "file"),
            Option(
                "--ca-fingerprint", "SHA-256 of the hub's authority, which the invite says", "SHA256", required=True
            ),
            Option("--id", "id of the node; the invite's, or the machine's name, if not given", "ID"),
            Option("--label", "label of the node beside those of the invite; may be repeated", "K=V", "list"),
            Option("--allow-command", "let only commands run that match; may be repeated", "PATTERN", "list"),
            Option("--out", "directory for key and settings, one below it for each node", "DIR", "directory"),
            *BINDING,
            Option(
                "--become",
                "users of this machine whom principals and roles become, as ann=ann, role:dba=postgres or "
                "'*={principal}'; may be repeated, and takes a node of root's, or its service",
                "WHO=USER",
                "list",
            ),
            Option("--run-as-node-user", "have all sessions be of the user that the node runs as", kind="flag"),
            Option("--service", "have it start with the machine, instead of starting it", kind="flag"),
            Option("--no-service", "do not offer that", kind="flag"),
            Option("--no-start", "only write key and settings", kind="flag"),
        ),
    ),
    Command(
        ("nodes", "invite"),
        "print the line that makes another machine a node",
        "admin.invites:invite_node",
        (
            Option("--id", "id that the node must take; any free one if not given", "ID"),
            Option("--uses", "how many machines may join by it, each with an id of its own", "N", "int"),
            Option("--id-prefix", "what the ids of those machines begin with", "PREFIX"),
            Option("--label", "label of the node, which the hub holds it to; may be repeated", "K=V", "list"),
            TTL,
            KEY_TTL,
            LINE_FILE,
            JSON,
            *ACCESS,
        ),
    ),
    Command(
        ("nodes", "known"),
        "list the node ids that the hub knows, with their owners",
        "admin.hub:known_nodes",
        (JSON, *ACCESS),
    ),
    Command(
        ("nodes", "label"),
        "set the hub's labels of a node, a ceiling for its own",
        "admin.hub:label",
        (NODE, Option("--label", "label to set; may be repeated; none removes all", "K=V", "list"), *ACCESS),
        advice="--label K=V sets a label",
    ),
    Command(
        ("nodes", "release"),
        "release the id of a node, revoking what joined under it",
        "admin.hub:release",
        (NODE, *ACCESS),
    ),
    Command(("users", "list"), "list the principals that the hub knows", "admin.users:list_users", (JSON, *ACCESS)),
    Command(
        ("users", "invite"),
        "print the line that lets a person log in",
        "admin.invites:invite_user",
        (
            USER,
            ROLE,
            DISPLAY_NAME,
            TTL,
            Option("--role-ttl", "how long it has the roles, as 8h; for good if not given", "SPAN"),
            KEY_TTL,
            LINE_FILE,
            JSON,
            *ACCESS,
        ),
        advice="--role NAME gives a role",
    ),
    Command(
        ("users", "add"),
        "add a principal",
        "admin.users:add",
        (
            USER,
            ROLE,
            DISPLAY_NAME,
            Option("--ttl", "how long it has the roles, as 8h; for good if not given", "SPAN"),
            *ACCESS,
        ),
        advice="--role NAME gives a role",
    ),
    Command(
        ("users", "roles"),
        "give a principal these roles only, or others beside its own for a time",
        "admin.users:set_roles",
        (
            USER,
            ROLE,
            Option("--ttl", "give them for so long beside those that it has, as 8h", "SPAN"),
            *ACCESS,
        ),
        advice="--role NAME gives a role",
    ),
    Command(("users", "revoke"), "remove a principal, and end what it has open", "admin.users:revoke", (USER, *ACCESS)),
    Command(
        ("locks", "add"),
        "shut out a principal, a node or a role, and end what it has open; no grant undoes that",
        "admin.locks:add",
        (
            *LOCKED,
            Option("--for", "how long, as 2h; until it is removed if not given", "SPAN"),
            Option("--why", "what is told to whoever asks", "TEXT"),
            *ACCESS,
        ),
    ),
    Command(("locks", "list"), "list what is locked", "admin.locks:list_locks", (JSON, *ACCESS)),
    Command(
        ("locks", "remove"),
        "end a lock",
        "admin.locks:remove",
        (
            *LOCKED,
            Option("--offline", "on the hub's machine, while no hub runs there", kind="flag"),
            *dict.fromkeys((*HUB_PLACE, *ACCESS)),
        ),
    ),
    Command(("invites", "list"), "list the invites that can be used", "admin.invites:list_invites", (JSON, *ACCESS)),
    Command(
        ("invites", "revoke"),
        "make an invite useless",
        "admin.invites:revoke",
        (Option("id", "the invite", "INVITE"), *ACCESS),
    ),
    Command(
        ("tokens", "add"),
        "make a token for a principal, and print it",
        "admin.users:add_token",
        (USER, CREDENTIAL_LABEL, Option("--ttl", "how long it is good; for ever if not given", "SPAN"), *ACCESS),
    ),
    Command(
        ("tokens", "rotate"),
        "make a new token in place of one, which goes on for a while",
        "admin.users:rotate_token",
        (
            USER,
            Option("--id", "the token to replace, where there are several", "ID"),
            Option("--overlap", "how long the old one goes on, as 1h; 0 for not at all", "SPAN", default="1h"),
            Option("--ttl", "how long the new one is good; as long as the old one if not given", "SPAN"),
            *ACCESS,
        ),
    ),
    Command(
        ("tokens", "revoke"),
        "remove a token, and end the connections made with it",
        "admin.users:revoke_credential",
        (USER, Option("id", "the token's id", "ID"), *ACCESS),
    ),
    Command(
        ("keys", "add"),
        "let a principal log in with an Ed25519 key",
        "admin.users:add_key",
        (
            USER,
            Option("key_text", "the key in base64, the line of keygen, or an ssh-ed25519 key", "KEY"),
            CREDENTIAL_LABEL,
            Option("--ttl", "how long it is good; for ever if not given", "SPAN"),
            *ACCESS,
        ),
        advice='a key of several words stands in quotation marks, as in `keys add NAME "$(cat FILE.pub)"`',
    ),
    Command(
        ("keys", "revoke"),
        "remove a key, and end the connections made with it",
        "admin.users:revoke_credential",
        (USER, Option("id", "the key's id", "ID"), *ACCESS),
    ),
    Command(("hub", "info"), "say what the hub is and carries", "admin.hub:info", (JSON, *ACCESS)),
    Command(("hub", "peers"), "list the connections to the hub", "admin.hub:peers", (JSON, *ACCESS)),
    Command(
        ("hub", "sessions"),
        "list everyone's sessions that somebody is attached to; `omnyshell top` shows the others too",
        "admin.hub:sessions",
        (JSON, *ACCESS),
    ),
    Command(
        ("hub", "drain"),
        "have a hub that is one of several hand its nodes and clients over to others; exit code 1 where some are left",
        "admin.drain:drain",
        (
            Option("--within", "time over which that is spread", "T", default="30s"),
            Option("--wait", "for how long behind that it is waited for those who are left", "T", default="30s"),
            Option("--end", "have the hub take nodes and clients again", kind="flag"),
            *ACCESS,
        ),
    ),
    Command(
        ("hub", "drop"),
        "end a connection, with its sessions and tunnels",
        "admin.hub:drop",
        (Option("peer", "the connection, as `hub peers` shows it", "PEER"), *ACCESS),
    ),
    Command(
        ("hub", "close-session"),
        "end anyone's session, and what runs in it",
        "admin.sessions:close_session",
        (Option("session", "the session's id, or how it begins", "SESSION"), *ACCESS),
    ),
    Command(
        ("hub", "close-tunnel"),
        "close anyone's tunnel",
        "admin.hub:close_tunnel",
        (Option("tunnel", "the tunnel's id, or how it begins", "TUNNEL"), *ACCESS),
    ),
)
