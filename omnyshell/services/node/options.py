"""The options of a node: of `omnyshell node start`, and of the file that `--config` names."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from omnyshell.durations import format_duration
from omnyshell.errors import ConfigException
from omnyshell.ids import is_node_id
from omnyshell.options.option import SWITCH, Check, Option, default_of
from omnyshell.options.values import at_least, duration, file_exists, parse_pairs
from omnyshell.paths import user_path
from omnyshell.services.access_options import ACCESS, BIND_CERTIFICATE, CA
from omnyshell.services.exposer.targets import TargetPatterns
from omnyshell.services.node.config import Keeping, NodeConfig
from omnyshell.services.node.environment import REFUSED_VARIABLES
from omnyshell.services.node.files.policy import IS_ROOTS
from omnyshell.services.node.keeper.limited import LIMITS
from omnyshell.services.node.keeper.whose import check_both, check_users, users_from_table
from omnyshell.services.node.restriction.tables import COMMANDS, rules_from_tables
from omnyshell.services.node.ssh.table import SSH, include_from_table
from omnyshell.services.service_options import CONFIG, LOG_FORMAT, LOG_LEVEL, STRICT_MODES


def _timeout(name: str) -> str:
    return format_duration(default_of(Keeping, name))


IDENTITY = (
    Option(
        "--id",
        "id under which the node is reached",
        "ID",
        required=True,
        sets="node_id",
        check=Check(is_node_id, "use letters, digits, '_', '.' and '-'"),
    ),
    Option("--name", "name to show; the id if not given", "N", sets="display_name"),
    Option(
        "--label",
        "label of the node; may be repeated. allow-roles=ROLE,ROLE says who may use it",
        "K=V",
        "list",
        sets="labels",
        parse=parse_pairs,
    ),
)

_FILES = (CA, BIND_CERTIFICATE)

NODE_ACCESS = tuple(replace(option, check=file_exists()) if option in _FILES else option for option in ACCESS)

RULES = (
    Option(
        "--allow-command",
        "let only commands run that match, as 'systemctl status nginx.service'; may be repeated",
        "PATTERN",
        "list",
        sets="commands.patterns",
        if_empty="name commands, or leave it out to let everything run that users of the node ask for",
    ),
    Option(
        COMMANDS,
        "`[[commands]]`: let only commands run that rules allow, beside those of --allow-command",
        kind="tables",
        sets="commands.rules",
        parse=rules_from_tables,
    ),
    Option(
        "--refuse-env",
        "variable no request may set, in place of LD_*, BASH_ENV, IFS, PYTHON* and the like; may be repeated",
        "PATTERN",
        "list",
        sets="refused_variables",
        parse=lambda patterns: tuple(patterns) or REFUSED_VARIABLES,
    ),
    Option(
        "--tunnel-allow",
        "target that tunnels may lead to, as 10.0.0.0/8:443; may be repeated (localhost:* if not given; none where "
        "commands are restricted)",
        "HOST:PORT",
        "list",
        sets="targets",
        if_empty="name targets, or leave it out for those that it says by default",
        parse=lambda targets: TargetPatterns(targets) if targets else None,
    ),
)

SESSIONS = (
    Option(
        "--max-sessions",
        "sessions at once",
        "N",
        "int",
        default_of(NodeConfig, "max_sessions"),
        sets="max_sessions",
        check=at_least(1),
    ),
    Option(
        "--no-auto-detach",
        "end shells whose client or hub is lost, instead of detaching them",
        kind="flag",
        sets="keeping.auto_detach",
        parse=lambda is_off: not is_off,
    ),
    Option(
        "--auto-detach-timeout",
        "how long a shell goes on without its client or hub",
        "DURATION",
        default=_timeout("auto_detach_timeout"),
        sets="keeping.auto_detach_timeout",
        parse=duration,
    ),
    Option(
        "--exec-resume-timeout",
        "how long a command waits for a client that was lost, and its output with it",
        "DURATION",
        default=_timeout("exec_timeout"),
        sets="keeping.exec_timeout",
        parse=duration,
    ),
    Option(
        "--drain-limit",
        "give up the output of a command that has ended after so much silence, though a process of it still holds it; "
        "without it output is read to its end",
        "DURATION",
        sets="drain_limit",
        parse=duration,
        check=at_least(1, "s"),
    ),
    Option(
        SSH,
        "`[ssh]`: `include` names a file of sshd's settings that sessions of ssh get besides, as /etc/ssh/sshd_config",
        kind="tables",
        parse=include_from_table,
    ),
)

FILES = (
    Option(
        "--files-root",
        "directory below which files may be copied, ~ being the home of whoever copies; may be repeated (anywhere that "
        "their user may, if not given)",
        "DIR",
        "list",
        sets="files.roots",
        parse=tuple,
        check=IS_ROOTS,
        if_empty="name directories, say files-off = true, or leave it out for all that their user may",
    ),
    Option("--files-read-only", "let files be copied from the node alone", kind="flag", sets="files.read_only"),
    Option(
        "--files-off",
        "let no files be copied; shells and commands reach them still",
        kind="flag",
        sets="files.is_offered",
        parse=lambda is_off: not is_off,
    ),
)

AGENTS = (
    Option(
        "--allow-agent",
        "let clients forward their ssh-agents to programs of their sessions here (`connect -A`)",
        kind="flag",
        sets="allow_agent",
    ),
)

SCREENS = (
    Option(
        "--history",
        "lines of each shell to keep that left its screen at the top; 0 for none",
        "N",
        "int",
        default_of(Keeping, "history"),
        sets="keeping.history",
        check=at_least(0, "lines"),
    ),
    Option(
        "--history-memory",
        "MiB that these lines may take, of all shells together; who has most loses the oldest first",
        "N",
        "int",
        default_of(Keeping, "history_memory"),
        sets="keeping.history_memory",
        check=at_least(0, "MiB"),
    ),
)

KEEPER = (
    Option(
        "--keeper",
        "have a keeper start sessions, a process beside the node; one is started where none serves the state directory",
        "BOOL",
        default="true",
        choices=SWITCH,
    ),
    Option("--no-keeper", "start them in the node's own process", kind="flag"),
)
"""Together they make one setting; see `uses_keeper`."""

USERS = (
    Option(
        "users",
        "`[users]`: which users of this machine principals and roles become; the keeper reads it too, see below",
        kind="tables",
        parse=users_from_table,
    ),
    Option(
        "pam",
        "`pam`: whether PAM has a say in sessions of `[users]`; it has where `/etc/pam.d/omnyshell` is, unless told",
        "BOOL",
        choices=SWITCH,
        in_file_only=True,
    ),
    Option(
        "--run-as-node-user",
        "have all sessions be of the user that the node runs as; root has none without this or [users]",
        kind="flag",
        sets="run_as_node_user",
    ),
)

SERVICE = (
    Option(
        "--retry-refused",
        "go on trying when the credential is refused",
        kind="flag",
        sets="is_service",
        formerly="--service",
    ),
    Option(
        "--state-dir",
        "where the node keeps what outlives it",
        "DIR",
        "directory",
        sets="state_dir",
        parse=user_path,
    ),
)

CHECK_OPTIONS = (
    CONFIG,
    *(option for option in RULES if option.name == "--allow-command"),
    Option("--cwd", "directory that a client would ask for", "DIR"),
    Option("--tty", "as a client would ask for a terminal", kind="flag"),
    STRICT_MODES,
)
"""The options of `omnyshell node check`, which asks a node's rules without starting a node."""

USERS_OPTIONS = (CONFIG, Option("--json", "print JSON", kind="flag"), STRICT_MODES)
"""The options of `omnyshell node users`."""

KEEPER_PLACE = (
    CONFIG,
    Option("--id", "the node, by its id, where its state directory is the usual one", "ID"),
    Option("--state-dir", "state directory of the node", "DIR", "directory"),
    STRICT_MODES,
)
"""Whose keeper `omnyshell keeper` is about; that of this machine's own node where nothing is said."""

KEEPER_START = (
    *KEEPER_PLACE,
    Option("--node-user", "user that the node runs as, if not the owner of its state directory", "USER"),
)

KEEPER_STOP = (*KEEPER_PLACE, Option("--yes", "do not ask, however many sessions end", kind="flag"))

_OF_SESSIONS = (*SESSIONS, *FILES, *AGENTS, *SCREENS, *KEEPER, *USERS, *LIMITS)
_DECLARED = (*IDENTITY, *NODE_ACCESS, *RULES, *_OF_SESSIONS, *SERVICE, LOG_LEVEL, LOG_FORMAT)


def users_table(pairs: Iterable[str]) -> dict[str, list[str]]:
    """Return `[users]` as `WHO=USER` says it, each in its order. Raises `ConfigException`."""
    table: dict[str, list[str]] = {}
    for pair in pairs:
        for who, user in parse_pairs([pair], "--become").items():
            table.setdefault(who, []).append(user)
    if table:
        check_users(table)
    return table


def uses_keeper(values: Mapping[str, Any]) -> bool:
    """Tell from the options whether the node has a keeper."""
    return values["keeper"] == SWITCH[0] and not values["no_keeper"]


def users_file(values: Mapping[str, Any]) -> Path | None:
    """Return the file that says who becomes whom, if the node's file does. Raises `ConfigException`."""
    check_both(values["users"], as_node=bool(values["run_as_node_user"]))
    if not values["users"]:
        if values["pam"] is not None:
            raise ConfigException("PAM has a say in sessions of [users] alone, and there are none").about("pam")
        return None
    if values["no_keeper"]:
        raise ConfigException("[users] takes a keeper, which starts sessions as others").about("no_keeper")
    return user_path(values["config"])


# A node never reloads its options.
OPTIONS = (CONFIG, *(replace(option, restart=True) for option in _DECLARED))
