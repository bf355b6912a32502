"""What runs in the sessions, the keys that are typed there, and how each is left."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_TMUX = """\
set -g status-interval 1
set -g default-terminal tmux-256color
set -g history-limit 2000
set -g mouse on
set -sg escape-time 0
set -g focus-events on
set -g set-titles on
set -s extended-keys on
"""


@dataclass(frozen=True)
class Program:
    """A command line, its keys, and the keys that end it."""

    name: str
    command: str
    keys: tuple[bytes, ...]
    end: tuple[bytes, ...]
    """With a pause after each; the last ones more than once."""

    tells_size: bool = False
    """Whether it says its size in a file, as `80 by 24`."""

    ending: str = ""
    """A command that ends it from outside, where keys may go elsewhere."""


def programs(directory: Path) -> dict[str, Program]:
    """Return those that are installed. What they show lies in `directory`, which must exist."""
    text = directory / "text"
    text.write_text("".join(f"line {n} {'ab' * (n % 60)} é 漢字 \N{GRINNING FACE}\n" for n in range(2000)))
    (directory / "tmux.conf").write_text(_TMUX)
    tmux = f"tmux -u -S $TWINS_PLACE.tmux -f {directory}/tmux.conf"
    shell = "bash --norc --noprofile"
    python = f"{sys.executable} {_HERE / 'panel.py'}"
    panes = f"'exec {shell}' \\; split-window -h 'exec {shell}' \\; split-window -v 'seq 500; exec {shell}'"
    found = (
        Program(
            "vim",
            f"vim -u NONE -N -n -R --cmd 'set mouse=a ttymouse=sgr title hlsearch | syntax on' -O {text} {text}",
            (b"10j", b"\x06", b"\x02", b"gg", b"G", b"20l", b":set number!\r", b":set wrap!\r", b"/line 7\r", b"zz",
             b"\x17w", b"\x17s", b"\x17c", b"\x17v",
             b"ihello \xe6\xbc\xa2\xc3\xa9\x1b", b"\x1b[200~pasted\x1b[201~\x1b"),
            (b"\x1b", b"\x1b", b":qa!\r"),
        ),
        Program(
            "tmux",
            f"{tmux} new-session {panes}",
            (b"seq 40\r", b"ls -la --color=always /usr\r", b"\x02o", b"\x02[\x1b[A\x1b[A", b"q", b"\x02z", b"\x02%",
             b"\x02 ", b"printf '\\033]2;a title\\007'\r", b"less /etc/services\r", b"\x02c", b"\x02n",
             b"printf '\\033[?1049h\\033[7mall\\033[m'; sleep 0.1; printf '\\033[?1049l'\r"),
            (b"",),
            ending="tmux -S $TWINS_PLACE.tmux kill-session",
        ),
        Program(
            "htop",
            "htop -d 5",
            (b"\x1bOB", b"\x1bOA", b"\x1bOC", b"\x1bOD", b"t", b"H", b"\x1b[6~", b"/ba", b"\x1b", b"\x1bOR", b"I"),
            (b"\x1b", b"\x1b", b"q"),
        ),
        Program(
            "less",
            f"less -R {text}",
            (b" ", b"b", b"10j", b"5k", b"G", b"g", b"/line 9\r", b"-S\r", b"\x1b(", b"\x1b)", b"-N\r", b"h"),
            (b"\x03", b"q", b"q"),
        ),
        Program(
            "panel",
            python,
            (b"\t", b"\x1b[B", b"\x1b[6~", b"\x1b[5~", b"x", b"\x1b[200~two words\x1b[201~",
             b"\x10\x1b", b"\x1b", b"\r"),
            (b"\x1b", b"\x1b", b"\x11"),
            tells_size=True,
        ),
        Program(
            "emacs",
            f"emacs -nw -Q --eval '(progn (xterm-mouse-mode 1) (setq inhibit-startup-screen t))' {text}",
            (b"\x16", b"\x1bv", b"\x1b>", b"\x1b<", b"\x0e\x0e\x0e", b"\x06\x06", b"\x183", b"\x182", b"\x18o",
             b"\x181", b"\x13line 8\r", b"\x0c", b"\x1bxdisplay-line-numbers-mode\r", b"\x18\x02\r"),
            (b"\x07", b"\x07", b"\x1bxkill-emacs\r"),
        ),
        Program(
            "shell",
            shell,
            (b"seq 30\r", b"ls -la --color=always /usr/bin | head -50\r", b"printf '\\033[1;31m%0300d\\033[m\\n' 7\r",
             b"seq 2000\r", b"printf '\\033[44m\\033[K%s\\n' blue\r", b"clear\r", b"echo half a li", b"ne\r", b"\x0c",
             "printf '漢字%.0s' $(seq 70); echo\r".encode(), b"printf '\\033[5;10r\\033[5Hin a region\\n'\r",
             b"printf '\\033[r'\r", b"for n in 1 2 3; do seq 40; done\r"),
            (b"\x03", b"exit\r"),
        ),
    )  # fmt: skip
    return {program.name: program for program in found if _is_there(program)}


def _is_there(program: Program) -> bool:
    return program.name == "panel" or shutil.which(program.command.split()[0]) is not None
