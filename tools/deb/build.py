"""Makes a package for Debian: `python tools/deb/build.py DIRECTORY` writes the file there, and prints its path.

All that OmnyShell needs beside Python lies below /usr/lib/omnyshell, in an environment that sees neither the system's
Python packages nor a user's. It is made for the interpreter `DEB_PYTHON`, and depends on one of the same minor version.
Its maintainer is whom `DEBFULLNAME` and `DEBEMAIL` name, else the author of the last commit. The same commit,
interpreter and `SOURCE_DATE_EPOCH` make the same bytes.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from email.message import Message
from email.parser import Parser
from email.utils import formatdate
from pathlib import Path

from man_pages import pages, printed_by

from omnyshell.cli.grammar.commands import HUB_START, NODE_START
from omnyshell.cli.service import pam
from omnyshell.cli.service.plan import Kind, Plan
from omnyshell.cli.service.systemd_units import units_of
from omnyshell.options.toml_file import read_options
from omnyshell.version import __version__

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = os.environ.get("DEB_PYTHON", "/usr/bin/python3")
HOME = Path("usr/lib/omnyshell")
DOCUMENTS = Path("usr/share/doc/omnyshell")
PROGRAMS = {"omnyshell": "omnyshell.cli.main", "omnyshell-console": "omnyshell.tui.main"}
CONFIGURED = {Kind.NODE: ("node.toml", NODE_START), Kind.HUB: ("hub.toml", HUB_START)}
COMPLETIONS = {
    "bash": "bash-completion/completions/{}",
    "zsh": "zsh/vendor-completions/_{}",
    "fish": "fish/vendor_completions.d/{}.fish",
}
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
OF_THIS_MACHINE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What pip notes of an installation: where it came from, and how."""

SUMMARY = "reach machines through a hub, by name"
DESCRIPTION = """\
 Machines dial out to a hub as nodes, so that firewalls and NAT are no obstacle;
 people reach them there by name: shells that survive disconnection, commands
 and tunnels, on WebSocket over TLS, with roles and an audit trail.
 .
 Hub, node, console and command line are all in this package. Neither hub nor
 node starts before it is configured, in /etc/omnyshell, or joins.
"""


def main() -> None:
    """Make the package."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1]).absolute()
    tree = out / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    _environment(tree)
    _programs(tree)
    _services(tree)
    _documents(tree)
    _control(tree)
    print(_pack(tree, out))


def _environment(tree: Path) -> None:
    """Lay down OmnyShell and what it needs, where the interpreter finds it by `pyvenv.cfg`."""
    packages = tree / HOME / f"lib/python{_minor()}/site-packages"
    options = ["--quiet", "--no-compile", "--root-user-action=ignore", "--target", str(packages)]
    env = os.environ | {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    command = [sys.executable, "-m", "pip", "--python", PYTHON, "install", *options, f"{ROOT}[all]"]
    subprocess.run(command, env=env, check=True)
    shutil.rmtree(packages / "bin")
    for name in OF_THIS_MACHINE:
        for file in packages.glob(f"*.dist-info/{name}"):
            file.unlink()
    _write(tree / HOME / "pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n")


def _programs(tree: Path) -> None:
    (tree / "usr/bin").mkdir()
    (tree / HOME / "bin").mkdir()
    (tree / HOME / "bin/python3").symlink_to("../../../bin/python3")
    for name, module in PROGRAMS.items():
        text = f"#!/{HOME}/bin/python3 -I\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n"
        _write(tree / HOME / "bin" / name, text, 0o755)
        (tree / "usr/bin" / name).symlink_to(f"../lib/omnyshell/bin/{name}")


def _services(tree: Path) -> None:
    """The units as `omnyshell service install` makes them of the configuration files that the package brings."""
    for kind, (name, command) in CONFIGURED.items():
        config = Path("/etc/omnyshell", name)
        _write(tree / str(config)[1:], (HERE / name).read_text())
        given = read_options(HERE / name, command.options).values
        plan = Plan(kind, False, config, given, (f"/{HOME}/bin/omnyshell",))
        for unit in units_of(plan):
            _write(tree / "lib/systemd/system" / unit.name, unit.text)
    _write(tree / "etc/pam.d" / pam.NAME, pam.DATA.read_text())


def _documents(tree: Path) -> None:
    for name, page in pages():
        _write_packed(tree / f"usr/share/man/man1/{name}.1.gz", page)
    for shell, place in COMPLETIONS.items():
        for name, words in (("omnyshell", ("completion", shell)), ("omnyshell-console", ("--completion", shell))):
            _write(tree / "usr/share" / place.format(name), printed_by(name, *words))
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        _write(tree / DOCUMENTS / document.name, document.read_text())
    _write_packed(tree / DOCUMENTS / "CHANGELOG.md.gz", (ROOT / "CHANGELOG.md").read_text())
    _write_packed(tree / DOCUMENTS / "changelog.gz", _debian_changes())
    _write(tree / DOCUMENTS / "copyright", _copyright(tree))
    _write(tree / "usr/share/lintian/overrides/omnyshell", (HERE / "lintian-overrides").read_text())


def _control(tree: Path) -> None:
    control = tree / "DEBIAN"
    files = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    sums = [f"{hashlib.md5(file.read_bytes()).hexdigest()}  {file.relative_to(tree)}\n" for file in files]
    conffiles = [f"/{file.relative_to(tree)}\n" for file in files if file.is_relative_to(tree / "etc")]
    size = sum(-(-file.stat().st_size // 1024) for file in files)
    major, minor = _minor().split(".")
    depends = [
        "adduser",
        "init-system-helpers (>= 1.54)",
        f"libc6 (>= {_c_library(tree)})",
        "libpam-modules",
        "libpam-runtime",
        "libpam0g",
        f"python3 (>= {major}.{minor}~)",
        f"python3 (<< {major}.{int(minor) + 1})",
    ]
    fields = {
        "Package": "omnyshell",
        "Version": _version(),
        "Section": "net",
        "Priority": "optional",
        "Architecture": _said("dpkg", "--print-architecture"),
        "Maintainer": _maintainer(),
        "Installed-Size": size,
        "Depends": ", ".join(depends),
        "Recommends": "ca-certificates",
        "Description": f"{SUMMARY}\n{DESCRIPTION}".rstrip(),
    }
    _write(control / "control", "".join(f"{key}: {value}\n" for key, value in fields.items()))
    _write(control / "md5sums", "".join(sums))
    _write(control / "conffiles", "".join(conffiles))
    for name in SCRIPTS:
        _write(control / name, (HERE / name).read_text(), 0o755)


def _pack(tree: Path, out: Path) -> Path:
    """Give all files the modes and the time that they have in each package, and pack them."""
    epoch = _epoch()
    programs = {*(tree / HOME / "bin").iterdir(), *(tree / "DEBIAN" / name for name in SCRIPTS)}
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in programs else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    package = out / f"omnyshell_{_version()}_{_said('dpkg', '--print-architecture')}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, package], check=True, stdout=sys.stderr)
    return package


def _minor() -> str:
    return _said(PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")


def _c_library(tree: Path) -> str:
    """The least version of the C library that all compiled parts run with, as their wheels say."""
    tags = [re.findall(r"^Tag: .*-manylinux_2_(\d+)", file.read_text(), re.MULTILINE) for file in tree.rglob("WHEEL")]
    return f"2.{max(min(map(int, found)) for found in tags if found)}"


def _epoch() -> int:
    return int(os.environ["SOURCE_DATE_EPOCH"])


def _version() -> str:
    """The version, ordered as Python orders it: what is on its way comes before the release."""
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", __version__)


def _maintainer() -> str:
    name, mail = os.environ.get("DEBFULLNAME"), os.environ.get("DEBEMAIL")
    return f"{name} <{mail}>" if name and mail else _said("git", "-C", str(ROOT), "log", "-1", "--format=%an <%ae>")


def _debian_changes() -> str:
    when = formatdate(_epoch())
    head, foot = f"omnyshell ({_version()}) unstable; urgency=medium", f" -- {_maintainer()}  {when}"
    return f"{head}\n\n  * {__version__}: CHANGELOG.md has what is new.\n\n{foot}\n"


def _copyright(tree: Path) -> str:
    """Whose the parts are; the texts of their licences lie beside them, as their authors ship them."""
    lines = [
        f"Copyright {time.gmtime(_epoch()).tm_year} the authors of OmnyShell",
        "",
        "OmnyShell is licensed under the Apache License, version 2.0, which is in",
        "/usr/share/common-licenses/Apache-2.0.",
        "",
        f"It comes with these packages, below /{HOME}; copyright and licence of each are",
        "in its directory *.dist-info there.",
        "",
    ]
    for file in sorted(tree.glob(f"{HOME}/lib/*/site-packages/*.dist-info/METADATA")):
        about = Parser().parsestr(file.read_text(), headersonly=True)
        if about["Name"] != "omnyshell":
            lines.append(f"  {about['Name']} {about['Version']}: {_licence_of(about)}")
    return "\n".join(lines) + "\n"


def _licence_of(about: Message) -> str:
    kinds = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier", []) if each.startswith("License")]
    said = about["License-Expression"] or ", ".join(kinds) or (about["License"] or "").partition("\n")[0]
    return said or f"as {', '.join(about.get_all('License-File', ['its authors say']))} says"


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _write_packed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _said(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
