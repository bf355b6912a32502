"""Records what real programs write to a terminal: `python -m support.terminal_references.record tests/recordings [NAME...]`.

Each scenario runs in namespaces of its own (a fresh process list and host name), in an empty folder with made-up files,
so that a recording tells nothing about the machine it was made on.
"""

import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ
from typing import NamedTuple

ESC = "\x1b"
QUIET_SECONDS = 0.5
LONGEST_SECONDS = 8.0
MOST_BYTES = 300_000


class Scenario(NamedTuple):
    """A program, the terminal it runs in, and what is typed each time it falls quiet."""

    columns: int
    lines: int
    command: str
    keys: tuple[str, ...] = ()
    term: str = "xterm-256color"


CUBE = 'for i in $(seq 0 255); do printf "\\033[48;5;%dm%4d\\033[0m" $i $i; done; printf "\\033[38;5;9mend\\033[m\\n"'
PICTURE = (
    "python3 -c \"\nfor y in range(30):\n  print(''.join(f'\\x1b[38;2;{x*3%256};{y*8};90m\\x1b[48;2;{y*8};{x*2%256};40m\\u2580'"
    " for x in range(100))+'\\x1b[0m')\""
)
REGION = (
    'printf "\\033[2J\\033[5;15r\\033[15;1H"; for i in $(seq 1 40); do printf "scrolling %d\\n\\r" $i; done; '
    'printf "\\033[5;1H\\033M\\033Mreverse\\033[8;1H\\033[2Linserted\\033[10;1H\\033[3M\\033[r\\033[20;1Hbelow"'
)

SCENARIOS = {
    "vim-edit": Scenario(80, 24, "vim -Nu NONE -c 'syntax on' code.py", ("/def\r", "ihello \x1b", "Gdd", ":split\r", "yyp")),
    "vim-colours": Scenario(
        100, 30, "vim -Nu NONE -c 'syntax on | set number termguicolors cursorline | colorscheme desert' code.py", ("5j", "v3j")
    ),
    "htop": Scenario(120, 40, "htop", ("\x1bOB", "\x1bOP")),
    "htop-tree": Scenario(80, 24, "htop", ("t", "\x1bOB")),
    "less-search": Scenario(80, 24, "less -N code.py", ("/return\r", " ", "g", "5j", "-S\r")),
    "mc": Scenario(100, 30, "mc -u .", (ESC + "[B", "\t", ESC + "[20~", "\x1b\x1b")),
    "tmux-inside": Scenario(
        80, 24, "tmux -f /dev/null -L inside new-session -n main 'sh -i'", ("ls\r", "\x02%", "echo right\r", '\x02"', "seq 30\r")
    ),
    "python-repl": Scenario(80, 24, "python3 -q", ("import sys\r", "for i in range(3): print(i)\r\r", "[x**2 for x in range(40)]\r")),
    "nano-help": Scenario(80, 24, "nano code.py", ("hello", "\x0b", "\x17return\r", "\x07")),
    "top": Scenario(100, 30, "top -d 0.3", ("", "1")),
    "dialog-menu": Scenario(
        80, 24, "dialog --colors --menu 'Choose \\Z1one\\Zn' 15 50 5 a Alpha b Beta c Gamma d '漢字'", (ESC + "[B", ESC + "[B")
    ),
    "dialog-gauge": Scenario(60, 20, "for i in 10 40 70; do echo $i; sleep 0.2; done | dialog --gauge 'Working' 8 40 0"),
    "emoji": Scenario(60, 20, "cat emoji.txt"),
    "unicode": Scenario(60, 20, "cat unicode.txt"),
    "git-log": Scenario(100, 30, "git -c core.pager=cat log --color=always --stat -p -n 3"),
    "git-graph": Scenario(80, 24, "git -c core.pager='less -R' log --color=always --graph --oneline", ("j", "G")),
    "colour-cube": Scenario(96, 28, CUBE),
    "true-colour": Scenario(100, 32, PICTURE),
    "scroll-region": Scenario(80, 24, REGION),
    "ls-colour": Scenario(80, 24, "ls -la --color=always --time-style=+ ; ls -C --color=always"),
    "progress-bar": Scenario(80, 24, "for i in $(seq 1 60); do printf '\\r[%-60s] %d%%' $(printf '#%.0s' $(seq $i)) $((i*100/60)); done"),
    "fzf": Scenario(90, 25, "seq 1 500 | fzf --multi --border", ("42", "\t", "\x15", "ab", "\x7f\x7f7")),
    "emacs": Scenario(90, 28, "emacs -nw -Q code.py", ("\x18" + "2", "\x13return", "\x07", "\x1b>", "hello")),
    "btop": Scenario(130, 42, "btop --utf-force", ("",)),
    "watch": Scenario(80, 24, "watch -n 0.2 -c 'ls --color=always'", ("",)),
    "bash-edit": Scenario(
        60, 16, "bash --norc", ("PS1='\\[\\e[1;32m\\]$ \\[\\e[0m\\]'\r", "echo " + "wide " * 20, "\x01\x06\x06", "\x0bls\t", "\x03", "\x0c")
    ),
    "less-wide": Scenario(132, 43, "less unicode.txt code.py", ("G", ":n\r", " ")),
    "vim-scroll": Scenario(80, 24, "vim -Nu NONE long.txt", ("\x04", "\x04", "\x05\x05", "\x19", ":vsplit\r", "\x06", "dd", "u")),
}  # fmt: skip


def _prepare(folder: Path) -> None:
    code = "".join(
        f'def function_{n}(arg, other={n}):\n    """Docstring {n}: café, 漢字."""\n\treturn [x ** 2 for x in range({n})]  # tab\n\n'
        for n in range(40)
    )
    (folder / "code.py").write_text(code)
    (folder / "long.txt").write_text("".join(f"{n:4} {'word ' * (n % 23)}\n" for n in range(300)))
    (folder / "unicode.txt").write_text(
        "漢字仮名交じり文 한국어 中文字符\nnaïve café e\u0301 a\u0308 o\u0302\u0323\nΕλληνικά русский עברית\n"
        "😀😃🚀 🎉 ok\n" + "漢" * 40 + "\nx" + "字" * 40 + "\n│├─┤┌┐└┘█▓▒░ ←↑→↓ ≤≥π\ntabs\there\tand\tthere\n"
    )
    (folder / "emoji.txt").write_text(
        "family 👩\u200d👩\u200d👧 end\nscientist 👩\u200d🔬 end\nheart ❤\ufe0f end\nthumb 👍🏽 end\nflag 🇩🇪 end\nkey 1\ufe0f\u20e3 end\n"
    )
    for name in ("notes.md", "run.sh", "archive.tar.gz", "picture.png", "sound.mp3"):
        (folder / name).write_text("x\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "src").mkdir()
    (folder / "link").symlink_to("src")
    git = ["git", "-C", str(folder), "-c", "user.name=A. U. Thor", "-c", "user.email=author@example.org"]
    dates = {**os.environ, "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    for number in range(12):
        (folder / "notes.md").write_text(f"# Notes\n\nround {number}: naïve 漢字\n" + "line\n" * number)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", f"Change number {number}"], check=True, env=dates)


def record(scenario: Scenario, folder: Path) -> bytes:
    script = f"hostname demo; cd {folder}; {scenario.command}; sleep 9"
    pid, master = pty.fork()
    if pid == 0:
        environment = {"TERM": scenario.term, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        environment |= {"HOME": str(folder), "SHELL": "/bin/sh", "COLORTERM": "truecolor", "LESSHISTFILE": "-"}
        arguments = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "sh", "-c", script]
        os.execvpe("unshare", arguments, environment)
    ioctl(master, TIOCSWINSZ, pack("HHHH", scenario.lines, scenario.columns, 0, 0))
    output = b""
    for keys in ("", *scenario.keys, ""):
        os.write(master, keys.encode())
        output += _read_until_quiet(master)
    os.kill(pid, 9)
    os.close(master)
    os.waitpid(pid, 0)
    return output[:MOST_BYTES]


def _read_until_quiet(master: int) -> bytes:
    output, end = b"", time.monotonic() + LONGEST_SECONDS / 4
    while time.monotonic() < end and select.select([master], [], [], QUIET_SECONDS)[0]:
        try:
            output += os.read(master, 65536)
        except OSError:
            break
    return output


def main() -> None:
    target, *names = sys.argv[1:]
    for name in names or SCENARIOS:
        scenario = SCENARIOS[name]
        folder = Path(tempfile.gettempdir(), "demo")
        folder.mkdir()
        try:
            _prepare(folder)
            output = record(scenario, folder)
        finally:
            shutil.rmtree(folder)
        path = Path(target) / f"{name}.{scenario.columns}x{scenario.lines}.bin"
        path.write_bytes(output)
        print(path.name, len(output))


if __name__ == "__main__":
    main()
