"""20,000 random requests to a restricted node: all that its rules let run does, as they say, and nothing else."""

import asyncio
import logging
import os
import pwd
import random
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from support.stack import connected_client, stack

from omnyshell import OmnyShellClient, PtySpec, RemoteSession, SessionMode, SessionRejectedException
from omnyshell.services.node.restriction.environment import fixed_environment
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.services.node.restriction.rule import CommandRule
from soak.attacks import how_many, show
from soak.machines import workplace
from soak.report import Figure, report

PARALLEL = 8
HOME = pwd.getpwuid(os.geteuid()).pw_dir

# What the kernel knows of the process, before the shell that runs this has changed any of it.
RECORDER = """#!/bin/sh
cat /proc/$$/cmdline; printf '\\1'; cat /proc/$$/environ; printf '\\1'; readlink -n /proc/$$/cwd; printf '\\1'
test -t 1 && printf tty
"""

WORDS = (
    *(
        "status",
        "start",
        "a",
        "b1",
        "c",
        "x1",
        "x",
        "xyz",
        "",
        "-",
        "--",
        "-n",
        "-n5",
        "--output=/tmp/x",
        "-exec",
        "*",
        "?",
    ),
    *(
        "a b",
        "status a",
        "a/../b",
        "..",
        "../x",
        "a/..",
        "a\n",
        "\n",
        "\t",
        "$HOME",
        "$(id)",
        "`id`",
        ";",
        "; id",
        "|",
        ">x",
    ),
    *("/srv/a", "/srv/a/b", "/srv/..", "/srv/a:../b", "/srv/a,..", "/srv/..a", "/srv/a..b", "/srv/x\\../y", "@../x"),
    *(
        "-no/tmp/x",
        "-rT",
        "-nr",
        "-k2",
        "--outp=/x",
        "--o",
        "--reverse",
        "--compress-p=sh",
        "--temp",
        "-",
        "--key=../x",
    ),
    *("'", '"', "\\", "é", "\u202e", "\x1b[m", "a;b", "#", "~", "~root", "{a,b}", "A", "Status", " status"),
)
VARIABLES = (
    *(
        "TZ",
        "TZ",
        "ZONE",
        "ZONE",
        "LANG",
        "PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "BASH_ENV",
        "ENV",
        "IFS",
        "PAGER",
        "GIT_PAGER",
        "EDITOR",
    ),
    *("LESSOPEN", "SHELL", "HOME", "USER", "PYTHONPATH", "TERM", "COLORTERM", "OMNYSHELL_X", "tz", "TZ_", "A B"),
)
VALUES = ("UTC", "/tmp/x", "", "A/b", "A/../b", ":x", "a\tb", "é", "x" * 257)
MODES = (SessionMode.EXEC, SessionMode.EXEC, SessionMode.EXEC, SessionMode.SHELL, SessionMode.TRANSFER)


class Known(NamedTuple):
    """A rule, and what it lets run in words of this test."""

    rule: CommandRule | str
    program: str
    takes: Callable[[Sequence[str]], bool]
    directory: str = HOME
    variables: Callable[[str, str], bool | None] = lambda _name, _value: None
    """Whether a variable may have a value; None where it is left out."""

    has_terminal: bool = False
    ever_runs: bool = True


def known_rules(directory: Path) -> list[Known]:
    """Rules for tools in a directory, which is made for them."""
    (directory / "srv").mkdir()
    tools = directory / "opt" / "tools"
    a, b, c, d, e, f, sort = (_recorder(tools / name) for name in ("a", "b", "c", "d", "e", "f", "sort"))
    srv = str(directory / "srv")
    open_to_all = directory / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    return [
        Known(CommandRule(program=a, arguments=("status", "[ab]*")), a, _is_status),
        Known(
            CommandRule(program=b, rest=("*",), pty=True, environment=("TZ", "ZONE=[A-Z]*/*")),
            b,
            lambda words: not any(word.startswith("-") for word in words),
            variables=_is_set,
            has_terminal=True,
        ),
        Known(f"{c} *", c, lambda _: True, has_terminal=True),
        Known(f"{d} x?", d, _is_x_and_another, has_terminal=True),
        Known(CommandRule(program=e, directory=srv), e, lambda words: not words, directory=srv),
        Known(CommandRule(program=f, rest=("/srv/*",)), f, lambda words: all(map(_is_below_srv, words))),
        Known(CommandRule(program=sort, rest=("*", "-*")), sort, lambda words: all(map(_is_harmless_to_sort, words))),
        *(_never(CommandRule(program=path, rest=("*", "-*"), pty=True)) for path in _no_programs(tools)),
        _never(CommandRule(program=_recorder(tools / "nowhere"), directory=str(open_to_all), pty=True)),
        # Patterns that a shell reads otherwise, and quoted wildcards, match nothing.
        *(
            _never(f"{_recorder(tools / 'unread')} {pattern}")
            for pattern in ("[^x]*", "[[:alpha:]]*", "'*'", "\\*", "[a")
        ),
    ]


def _never(rule: CommandRule | str) -> Known:
    program = rule.split()[0] if isinstance(rule, str) else rule.program
    return Known(rule, program, lambda _: False, ever_runs=False)


def _no_programs(tools: Path) -> Iterator[str]:
    """Files that only a shell takes for programs, and scripts whose `env` starts what it is told."""
    for number, head in enumerate(
        ("", "\n#!/bin/sh", "#!sh", "#!/usr/bin/env -S PATH=/x sh", "#!/usr/bin/env -S nice sh")
    ):
        path = Path(_recorder(tools / f"none{number}"))
        path.write_text(RECORDER.replace("#!/bin/sh", head))
        yield str(path)


def _is_set(name: str, value: str) -> bool | None:
    fits = value.isascii() and value.isprintable() and len(value) <= 256
    if name == "TZ":
        return fits and not value.startswith(":") and "/" not in value and ".." not in value
    return fits and value == "A/b" if name == "ZONE" else None


def _is_below_srv(word: str) -> bool:
    return word.startswith("/srv/") and ".." not in re.split(r"[^A-Za-z0-9_.-]", word)


def _is_harmless_to_sort(word: str) -> bool:
    if word.startswith("--"):
        harmful = ("--output", "--compress-program", "--temporary-directory")
        return not any(len(word) > 2 and name.startswith(word.split("=")[0]) for name in harmful)
    return not word.startswith("-") or ("o" not in word and "T" not in word)


def _is_status(words: Sequence[str]) -> bool:
    return len(words) == 2 and words[0] == "status" and words[1][:1] in ("a", "b") and ".." not in words[1].split("/")


def _is_x_and_another(words: Sequence[str]) -> bool:
    return len(words) == 1 and len(words[0]) == 2 and words[0][0] == "x"


def _recorder(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECORDER)
    path.chmod(0o755)
    return str(path)


class Attack:
    """Makes requests, and holds what becomes of them against what is known."""

    def __init__(self, known: list[Known], seed: int) -> None:
        self._known = known
        self._running = [rule for rule in known if rule.ever_runs]
        self._random = random.Random(seed)
        self.outcomes = Counter[str]()
        self.problems: list[str] = []

    async def try_one(self, client: OmnyShellClient) -> None:
        """Send a request, and judge what comes of it."""
        request = self._request()
        record = await self._send(client, request)
        self.outcomes["ran" if record else "refused"] += 1
        expected = self._expected(request)
        if record != expected:
            self.problems.append(f"{request}: {record}, and not {expected}")

    def _request(self) -> dict[str, Any]:
        pick = self._random.choice
        program = pick(self._known if self._random.random() < 0.2 else self._running).program
        words = [program if self._random.random() < 0.7 else self._disguised(program)]
        words += [pick(WORDS) for _ in range(self._random.choice((0, 1, 1, 2, 2, 3)))]
        request: dict[str, Any] = {"mode": pick(MODES)}
        form = self._random.random()
        if form < 0.6:
            request["args"] = words
        else:
            request["command"] = shlex.join(words) if form < 0.8 else " ".join(words)
        request["env"] = {name: pick(VALUES) for name in VARIABLES if self._random.random() < 0.2}
        if self._random.random() < 0.2:
            request["cwd"] = pick(("/", HOME, f"{HOME}/", "..", "~", "", self._known[4].directory))
        if self._random.random() < 0.2:
            request["pty"] = PtySpec()
        return request

    def _disguised(self, program: str) -> str:
        parent, name = program.rsplit("/", 1)
        return self._random.choice(
            [
                *(f"{parent}//{name}", f"{parent}/./{name}", f"{parent}/../tools/{name}", f"/{program}", f"{program}/"),
                *(
                    name,
                    f"./{name}",
                    program.upper(),
                    f"{program} ",
                    f"{program}\n",
                    f"{parent}/../../../../../../bin/sh",
                ),
                *("sh", "/bin/sh", "", "*", f"{parent}/*", f"{parent}/?", f"/proc/self/root{program}", f"{program} x"),
            ]
        )

    def _expected(self, request: dict[str, Any]) -> tuple[object, ...] | None:
        """What runs by the rules: words, variables, directory, terminal."""
        words = list(request.get("args") or _split(request["command"]))
        wants_terminal = "pty" in request or request["mode"] is SessionMode.SHELL
        if not words or request["mode"] is SessionMode.TRANSFER:
            return None
        for known in self._known:
            fits = known.program == words[0] and known.takes(words[1:]) and (known.has_terminal or not wants_terminal)
            if fits and request.get("cwd") in (None, "", known.directory):
                judged = {name: known.variables(name, value) for name, value in request["env"].items()}
                if False in judged.values():
                    return None
                given = {name: request["env"][name] for name, may_be_set in judged.items() if may_be_set}
                terminal = {"TERM": PtySpec().term} if wants_terminal else {}
                return words, fixed_environment(HOME) | given | terminal, known.directory, wants_terminal
        return None

    @staticmethod
    async def _send(client: OmnyShellClient, request: dict[str, Any]) -> tuple[object, ...] | None:
        try:
            session = await asyncio.wait_for(client.open_session("n1", **request), 20)
        except SessionRejectedException:
            return None
        return _read_record(await asyncio.wait_for(_output(session), 20))


async def _output(session: RemoteSession) -> str:
    async with session:
        data = b"".join([chunk.data async for chunk in session])
    return data.decode().replace("\r\n", "\n")


def _read_record(text: str) -> tuple[object, ...]:
    words, variables, directory, terminal = text.split("\1")
    env = dict(line.split("=", 1) for line in variables.split("\0") if line)
    # The shell that opens the terminal leaves these.
    env = {name: value for name, value in env.items() if not terminal or name not in ("PWD", "OLDPWD", "_", "SHLVL")}
    return words.split("\0")[1:-1], env, directory, bool(terminal)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


async def run(count: int, seed: int) -> Attack:
    logging.getLogger("omnyshell.node").setLevel(logging.ERROR)
    with workplace() as (directory, certificates):
        known = known_rules(directory)
        patterns = tuple(each.rule for each in known if isinstance(each.rule, str))
        rules = tuple(each.rule for each in known if isinstance(each.rule, CommandRule))
        attack = Attack(known, seed)
        turns = iter(range(count))
        async with stack(certificates, directory / "state", commands=CommandPolicy(patterns, rules)) as (hub, _, _):

            async def work() -> None:
                async with connected_client(certificates, hub.port) as client:
                    for _ in turns:
                        await attack.try_one(client)

            async with asyncio.timeout(count / 10 + 60):
                await asyncio.gather(*(work() for _ in range(PARALLEL)))
    return attack


def main() -> None:
    options = how_many(20_000)
    attack = asyncio.run(run(options.count, options.seed))
    show(attack.problems, options.seed)
    report(
        "attacks.restricted_node",
        Figure(
            "random requests to a restricted node",
            "what runs is what the rules say: program, words, environment, directory, terminal",
            f"{options.count} requests, {attack.outcomes['ran']} ran, {attack.outcomes['refused']} refused; "
            f"{len(attack.problems)} other than the rules say",
            not attack.problems and min(attack.outcomes.values()) > options.count // 20,
        ),
    )


if __name__ == "__main__":
    main()
