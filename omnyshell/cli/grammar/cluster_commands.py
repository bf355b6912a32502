"""The commands for several hubs that act as one."""

from omnyshell.cli.grammar.command import JSON, Command
from omnyshell.options.option import Option
from omnyshell.services.service_options import STRICT_MODES

_PLACE = (
    Option("--hub-config", "hub.toml of the hub, which says where its state is", "FILE", "file"),
    Option("--state-dir", "state directory of the hub", "DIR", "directory"),
    STRICT_MODES,
)

CLUSTER: tuple[Command, ...] = (
    Command(
        ("cluster", "init"),
        "make a hub of this machine, which is stopped, the first of several",
        "cluster.members:init",
        (
            Option("hub", "what it is called among them", "HUB"),
            Option("--engine", "server of the engine; may be repeated", "URL", "list", required=True),
            *_PLACE,
        ),
    ),
    Command(
        ("cluster", "invite"),
        "print the line by which another hub joins, once; at the first hub, which has to run when that joins",
        "cluster.members:invite_hub",
        (Option("hub", "what the other hub is called", "HUB"), *_PLACE),
    ),
    Command(
        ("cluster", "remove"),
        "have another hub be no member any more, as one that was lost or stolen",
        "cluster.members:remove",
        (Option("hub", "what that hub is called", "HUB"), *_PLACE),
    ),
    Command(
        ("hub", "join"),
        "make a new hub of this machine one of several, by the line of an invitation",
        "cluster.members:join",
        (Option("line", "what `cluster invite` printed", "LINE"), *_PLACE),
    ),
    Command(
        ("cluster", "status"),
        "say how a hub of this machine stands among others; exit code 1 where the engine does not answer",
        "cluster.members:show_status",
        (JSON, *_PLACE),
    ),
    Command(
        ("cluster", "leave"),
        "make a hub of this machine, which is stopped, one that is alone, with all that it knows",
        "cluster.members:leave",
        _PLACE,
    ),
    Command(
        ("cluster", "restore"),
        "have the first hub, stopped, begin another log with what it holds, where the engine has lost the log",
        "cluster.members:restore",
        (
            Option("--copy", "state file of another hub of the cluster that has applied more, to begin with", "FILE"),
            Option("--force", "also where the log is not lost, or the copy is older", kind="flag"),
            *_PLACE,
        ),
    ),
    Command(
        ("cluster", "follow"),
        "have another hub, stopped, go by the log that the first one has restored",
        "cluster.members:follow",
        (
            Option("line", "what `cluster restore` printed", "LINE"),
            Option("--force", "also where this hub has applied more than the new log begins with", kind="flag"),
            *_PLACE,
        ),
    ),
    Command(
        ("cluster", "demo"),
        "run three hubs, three servers of the engine and five nodes on this machine, until ctrl+c",
        "cluster.demo:demo",
        (
            Option(
                "--dir",
                "directory for all that they keep; what is there is replaced",
                "DIR",
                "directory",
                required=True,
            ),
        ),
    ),
)
