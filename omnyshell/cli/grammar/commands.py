"""The commands and their options as data; parsers, help and shell completion derive from it.

Handlers are named, not imported: a command loads only what it needs.
"""

from omnyshell.cli.grammar.admin_commands import ADMIN, AUDIT, AUDIT_OF_HUB, BACKUP, LIVE
from omnyshell.cli.grammar.cluster_commands import CLUSTER
from omnyshell.cli.grammar.command import JSON, NODE, Command, Rest
from omnyshell.cli.grammar.service_commands import SERVICE
from omnyshell.options.option import Option
from omnyshell.services.access_options import (
    ACCESS,
    CA,
    HUB,
    KEY,
    KEY_PASSPHRASE_FILE,
    PRINCIPAL,
    TOKEN,
    TOKEN_FILE,
)
from omnyshell.services.service_options import STRICT_MODES

CWD = Option("--cwd", "directory on the node to start in", "DIR")
ENV = Option("--env", "variable to set on the node; may be repeated", "K=V", "list")
AS_USER = Option("--user", "be this user of the node's machine, as in USER@NODE", "USER", short="-u")
FORWARD_AGENT = Option(
    "--forward-agent",
    "let programs there ask your ssh-agent meanwhile, and whoever is root there or at the hub",
    kind="flag",
    short="-A",
)
TTY = Option("--tty", "run it in a terminal", kind="flag")
OF_0_1_0_EXEC = frozenset(option.name for option in (CWD, ENV, TTY, HUB, PRINCIPAL, TOKEN, TOKEN_FILE, KEY, CA))
"""The options of `exec` in version 0.1.0, which scripts write behind the command."""

ON_NODE = Option("node", "node of the session; may be left out", "NODE", optional=True)
SESSION = Option(
    "session", "session to use, by its id or what it begins with; alone it is enough", "SESSION", optional=True
)
OTHERS = (
    Option("--all", "sessions of everybody, where you may reach them", kind="flag"),
    Option("--of", "sessions of this principal", "PRINCIPAL"),
)
ESCAPE = Option("--escape", "what begins an escape, as ~ or ^B; none for none", "CHAR", default="~")
LINES_ABOVE = Option("--history", "print so many of the lines above the screen first", "N", "int")
LINES_OF_SESSION = Option("--history", "of a session, print so many of the lines above its screen first", "N", "int")

HUB_START = Command(
    ("hub", "start"),
    "serve a hub until ctrl+c",
    "hub.start:start",
    "omnyshell.services.hub.options:OPTIONS",
    configurable=True,
)

NODE_START = Command(
    ("node", "start"),
    "make this machine reachable through a hub, until ctrl+c",
    "node.start:start",
    "omnyshell.services.node.options:OPTIONS",
    configurable=True,
)

ACCEPT = Option("--accept", "accept the key that this node shows next, where it has changed", "NODE")
_DOMAIN = Option("--domain", "what names of nodes end in; omny if not given", "NAME")

COMMANDS: tuple[Command, ...] = (
    Command(
        ("up",),
        "a hub and a node for this machine, ready without questions",
        "local.up:up",
        (
            Option("--shell", "open a shell on it, and end with it", kind="flag"),
            Option("--background", "return once it runs; `omnyshell down` ends it", kind="flag"),
            Option("--port", "port of the hub; a free one if 8443 is taken", "N", "int"),
            Option(
                "--host",
                "listen on this address or name of this machine too, from now on; localhost takes it back",
                "ADDRESS",
            ),
        ),
    ),
    Command(
        ("down",),
        "end what `up --background` started",
        "local.down:down",
        (Option("--yes", "do not ask, whatever ends with it", kind="flag"),),
    ),
    Command(
        ("connect",),
        "open an interactive shell on a node, or a command in its terminal",
        "sessions.connect:connect",
        (NODE, AS_USER, CWD, ENV, FORWARD_AGENT, LINES_OF_SESSION, ESCAPE, *ACCESS),
        keeps=Rest.BEHIND_DASHES,
        more="terminal.escapes:help_text",
        advice="write a command behind --, as in `connect NODE -- top`",
    ),
    Command(
        ("exec",),
        "run a command on a node",
        "sessions.exec:execute",
        (
            NODE,
            AS_USER,
            CWD,
            ENV,
            FORWARD_AGENT,
            TTY,
            Option("-n", "leave standard input unread, as where a loop reads its list from it", kind="flag"),
            Option(
                "--argv",
                "run a program with arguments, word by word, without a shell",
                kind="flag",
            ),
            Option("--timeout", "end it when it has run for so long, as 90s or 30m, with exit code 255", "DURATION"),
            Option("--leader-only", "end with the command, whatever it leaves in the background", kind="flag"),
            *ACCESS,
        ),
        keeps=Rest.BEHIND_NODE,
        among_words=OF_0_1_0_EXEC,
        advice="a node is named as NODE or USER@NODE, without the options and ports of ssh",
    ),
    Command(
        ("run",),
        "run a command on many nodes",
        "sessions.run:run_command",
        (
            Option("--filter", "on nodes with this label, or platform=OS; may be repeated", "K=V", "list"),
            Option("--nodes", "on these; on all that are connected if neither is given", "NODE,NODE"),
            Option("--parallel", "on so many at a time", "N", "int", default=32),
            Option("--group", "print equal outcomes once, when all have ended", kind="flag"),
            Option("--stdin", "send standard input to each", kind="flag"),
            Option("--timeout", "end it where it has run for so long, as 90s or 30m, which is a failure", "DURATION"),
            Option("--user", "be this user of each node's machine", "USER", short="-u"),
            CWD,
            ENV,
            Option("--json", "print a line of JSON for each node", kind="flag"),
            *ACCESS,
        ),
        keeps=Rest.FROM_FIRST_WORD,
    ),
    Command(
        ("nodes", "list"),
        "list the nodes that are connected",
        "node.nodes:list_nodes",
        (
            Option("--filter", "show only nodes with this label, or platform=OS; may be repeated", "K=V", "list"),
            Option("--keys", "show the keys by which ssh knows them, and whether they are as before", kind="flag"),
            JSON,
            *ACCESS,
        ),
    ),
    Command(
        ("sessions", "list"),
        "list your sessions, on a node or everywhere",
        "sessions.sessions:list_sessions",
        (ON_NODE, *OTHERS, JSON, *ACCESS),
    ),
    Command(
        ("sessions", "peek"),
        "print the screen of a session, also of one that ended a few minutes ago",
        "sessions.sessions:peek",
        (ON_NODE, SESSION, LINES_ABOVE, *OTHERS, JSON, *ACCESS),
    ),
    Command(
        ("sessions", "resume"),
        "take up a session in this terminal, also from another one that has it",
        "sessions.sessions:resume",
        (ON_NODE, SESSION, LINES_ABOVE, ESCAPE, *OTHERS, *ACCESS),
        more="terminal.escapes:help_text",
    ),
    Command(
        ("sessions", "detach"),
        "take a session from the terminal that has it, and leave it running",
        "sessions.sessions:detach",
        (
            NODE,
            Option("session", "session to detach; the only attached one if not given", "SESSION", optional=True),
            Option("--timeout", "end it when it has been detached for so long, as 90s, 30m or 12h", "DURATION"),
            *OTHERS,
            JSON,
            *ACCESS,
        ),
    ),
    Command(
        ("sessions", "kill"),
        "end a session and everything that runs in it",
        "sessions.sessions:kill",
        (Option("node", "node of the session, or the session alone", "NODE"), SESSION, *OTHERS, JSON, *ACCESS),
    ),
    Command(
        ("tunnel", "open"),
        "open a public port of the hub that leads to a target beside a node",
        "tunnel:open_tunnel",
        (
            Option("node", "node that connects to the target; left out with --local", "NODE", optional=True),
            Option("port", "port of the target", "PORT", "int", optional=True),
            Option("--local", "lead to PORT on this machine instead, until ctrl+c", "PORT", "int"),
            Option("--target-host", "host of the target, as the node sees it", "H", default="localhost"),
            Option("--public-port", "port of the hub to take; a free one if not given", "N", "int"),
            Option("--tls", "TLS on the public side", kind="flag"),
            Option("--http", "the target speaks HTTP: add forwarding headers to each request", kind="flag"),
            Option("--persist", "have it come back, on the same port, after a restart of hub or node", kind="flag"),
            *ACCESS,
        ),
    ),
    Command(("tunnel", "list"), "list your tunnels", "tunnel:list_tunnels", (JSON, *ACCESS)),
    Command(
        ("tunnel", "close"),
        "close a tunnel",
        "tunnel:close_tunnel",
        (Option("ref", "its id, or the beginning of it", "REF"), *ACCESS),
    ),
    Command(
        ("forward",),
        "have ports and sockets of this machine lead to what a node reaches, until ctrl+c",
        "forward:forward",
        (
            Option("node", "node that connects to the targets", "NODE"),
            Option(
                "forwards",
                "[ADDR:]PORT:HOST:PORT, as in 5432:localhost:5432; paths of UNIX sockets may stand on either side",
                "FORWARD",
                "list",
                optional=True,
            ),
            Option("--socks", "be a SOCKS 5 proxy there: names are resolved at the node", "[ADDR:]PORT"),
            Option("--stdio", "connect stdin and stdout to one target instead", "HOST:PORT"),
            *ACCESS,
        ),
        more="grammar.examples:of_forward",
    ),
    Command(("forwards", "list"), "list your forwards", "forward:list_forwards", (JSON, *ACCESS)),
    Command(
        ("forwards", "close"),
        "close a forward, wherever it runs, and its connections",
        "forward:close_forward",
        (Option("ref", "its id, or the beginning of it", "REF"), *ACCESS),
    ),
    Command(
        ("cp",),
        "copy files to a node, from nodes, or from node to node; the same again goes on where it stopped",
        "files.cp:copy",
        (
            Option(
                "paths",
                "files, directories or patterns, and at last where they go: PATH, NODE:PATH or USER@NODE:PATH",
                "PATH",
                "list",
            ),
            AS_USER,
            Option("-r", "says that directories are meant, as for cp; they are copied in any case", kind="flag"),
            Option("-p", "keep permissions and times", kind="flag"),
            Option("--include", "of directories, copy only files that match this; may be repeated", "PATTERN", "list"),
            Option("--exclude", "of directories, leave out what matches this; may be repeated", "PATTERN", "list"),
            Option("--update", "leave out files that are there, of the same size and no older", kind="flag"),
            Option("--checksum", "leave out files that are there with the same content", kind="flag"),
            Option("--json", "print a line of JSON for each file, and one for all", kind="flag"),
            *ACCESS,
        ),
        more="grammar.examples:of_cp",
    ),
    Command(
        ("ssh-config",),
        "print what ssh, scp, sftp, rsync and git need to reach nodes as NODE.omny",
        "ssh.config:ssh_config",
        (
            Option("--install", "have ~/.ssh/config include it instead", kind="flag"),
            ACCEPT,
            _DOMAIN,
            *ACCESS,
        ),
    ),
    Command(
        ("ssh-proxy",),
        "connect stdin and stdout to sshd on a node, as ssh's ProxyCommand",
        "ssh.proxy:ssh_proxy",
        (
            Option("host", "the node, as NODE or NODE.omny", "HOST"),
            AS_USER,
            _DOMAIN,
            *ACCESS,
        ),
    ),
    Command(
        ("login",),
        "save how to reach a hub, after trying it; or join one with an invite",
        "login:login",
        (
            Option("--join", "hub to join, with the --token and --ca-fingerprint of an invite", "URL"),
            Option("--ca-fingerprint", "SHA-256 of the hub's authority, which the invite says", "SHA256"),
            Option("--name", "name for the hub, which stands for its URL in --hub; a piece of it is enough", "NAME"),
            Option("--list", "list the saved logins instead", kind="flag"),
            Option("--default", "have this saved hub used where none is named", "HUB"),
            Option("--check", "try all saved logins", kind="flag"),
            JSON,
            *ACCESS,
        ),
        advice="--hub URL names the hub, and --join URL one to join by an invite",
    ),
    Command(
        ("logout",),
        "forget a saved login",
        "login:logout",
        (Option("--hub", "hub to forget; the default one if not given", "URL"),),
    ),
    Command(("whoami",), "say who you are to the hub", "login:whoami", (JSON, *ACCESS)),
    HUB_START,
    NODE_START,
    Command(
        ("node", "check"),
        "say whether a node lets a command run, and by which rule",
        "node.check:check",
        "omnyshell.services.node.options:CHECK_OPTIONS",
        keeps=Rest.FROM_FIRST_WORD,
    ),
    Command(
        ("node", "users"),
        "list who becomes which user of this machine",
        "node.users:list_users",
        "omnyshell.services.node.options:USERS_OPTIONS",
    ),
    Command(
        ("keeper", "start"),
        "keep a node's sessions while the node is restarted, until ctrl+c, which ends them",
        "keeper:start",
        "omnyshell.services.node.options:KEEPER_START",
    ),
    Command(
        ("keeper", "stop"),
        "end a keeper, and the sessions that it keeps",
        "keeper:stop",
        "omnyshell.services.node.options:KEEPER_STOP",
    ),
    Command(
        ("keeper", "status"),
        "say what a keeper keeps; exit code 1 where there is none",
        "keeper:status",
        "omnyshell.services.node.options:KEEPER_PLACE",
    ),
    Command(
        ("cert", "gen"),
        "make a certificate authority and a certificate for a hub",
        "cert:generate",
        (
            Option(
                "--out", "directory to write to; an authority that is there is kept", "DIR", "directory", required=True
            ),
            Option(
                "--host",
                "name or address of the hub; may be repeated (if not given, those of the last certificate)",
                "H",
                "list",
            ),
        ),
    ),
    Command(("cert", "show"), "say what a certificate is", "cert:show", (Option("file", "PEM file", "FILE", "file"),)),
    Command(
        ("cert", "deploy"),
        "give a hub the certificate that certbot has renewed; made to be certbot's deploy hook",
        "hub.deploy:deploy",
        (
            Option(
                "directory",
                "directory with fullchain.pem and privkey.pem; RENEWED_LINEAGE, as certbot sets it, if not given",
                "DIR",
                "directory",
                optional=True,
            ),
            Option(
                "--hub-config",
                "hub.toml of the hub, which says where its cert and key are",
                "FILE",
                "file",
                required=True,
            ),
            Option("--owner", "user that the hub runs as; the owner of the key that is there if not given", "USER"),
            STRICT_MODES,
        ),
    ),
    Command(
        ("keygen",),
        "make an Ed25519 key to log in with",
        "cert:keygen",
        (
            Option(
                "--out", "file to write it to; omnyshell.key in the configuration directory if not given", "F", "file"
            ),
            Option("--principal", "name to put into the printed line for authorized_keys", "NAME"),
            Option("--passphrase", "encrypt it; the passphrase is asked for unless it is given", kind="flag"),
            KEY_PASSPHRASE_FILE,
            Option("--from", "print the line of this key, also one of ssh-keygen, and make none", "FILE", "file"),
        ),
    ),
    *SERVICE,
    *LIVE,
    *ADMIN,
    *BACKUP,
    *CLUSTER,
    *AUDIT,
    AUDIT_OF_HUB,
    Command(
        ("completion",),
        "print a completion script for a shell",
        "grammar.completion:completion",
        (Option("shell", "shell to complete for", "SHELL", choices=("bash", "zsh", "fish")),),
    ),
)
