"""Programs that rules contain in few ways or in none, as far as they are known: what they run or write is up to users.

This makes warnings. It is no boundary: a program that is not listed can do the same (docs/security.md says so too).
"""

from typing import NamedTuple


class Use(NamedTuple):
    """How a program's words keep it to one thing, whatever is typed or sent to it."""

    text: str
    """What a rule must fix."""

    fine: str = r"(?!)"
    """A regular expression for words that may stand in front."""

    told_by: str = r"(?!)"
    """A regular expression for options whose next word says what to do."""

    operands: int = 0
    """How many words that are no option say what to do; 0 where they do not."""

    by_path: bool = False
    """Whether such a word must be an absolute path."""

    runs_words: bool = False
    """Whether they name another program, which then has to be contained too."""

    open_behind_option: bool = False
    open_behind_operand: bool = False
    """Whether further words are for what is run so, and may be the client's."""


FIXED = Use("all words")
RUNS = Use("all words, of which those that are a program keep this to one thing", runs_words=True)
"""For programs that do what their words say, and nothing that they read."""

NEVER = None


class Uncontained(NamedTuple):
    """A kind of programs."""

    what: str
    why: str
    contained: Use | None
    """How a rule contains them; None where none does."""

    names: tuple[str, ...]
    """Patterns of what they are called."""

    by_options: bool = False
    """Whether only options, and a first word that is a client's, make them dangerous."""


_ANYTHING = "run whatever they are given or read"
_EDITORS = (
    "vi",
    "vim*",
    "nvim",
    "view",
    "ex",
    "ed",
    "nano",
    "pico",
    "emacs*",
    "joe",
    "mcedit",
    "visudo",
    "vipw",
    "vigr",
)

UNCONTAINED = (
    Uncontained(
        "shells",
        _ANYTHING,
        Use(
            "a script, by its absolute path, or `-c` and a command",
            fine=r"-[efhpuvxl]+|--norc|--noprofile|--posix",
            told_by=r"-[efhpuvxl]*c",
            operands=1,
            by_path=True,
            runs_words=True,
            open_behind_option=True,
            open_behind_operand=True,
        ),
        ("sh", "bash", "rbash", "dash", "ash", "zsh", "fish", "ksh*", "mksh", "csh", "tcsh", "pwsh", "nu", "xonsh"),
    ),
    Uncontained(
        "interpreters",
        _ANYTHING,
        Use(
            "a script, by its absolute path, or `-c` or `-e` and a command",
            fine=r"-[BEIOPSTsuwnp]+",
            told_by=r"-[ceErf]|--eval|-jar",
            operands=1,
            by_path=True,
            open_behind_operand=True,
        ),
        (
            *("python*", "pypy*", "perl*", "ruby*", "node", "nodejs", "deno", "bun", "php*", "lua*", "tclsh*", "wish*"),
            *("expect", "Rscript", "guile*", "java", "ocaml", "ghci", "scala", "groovy", "erl", "iex", "swift", "R"),
        ),
    ),
    Uncontained(
        "editors of streams",
        "run whatever programs of their own language say",
        Use("their program, and all words", fine=r"-[nErsuz]+|-F.*", told_by=r"-[ef]", operands=1),
        ("awk", "gawk", "mawk", "nawk", "sed"),
    ),
    Uncontained(
        "clients of databases",
        "run shells, and read and write files, by what they are given or read",
        Use(
            "a statement behind `-c`, `-e` or the like, and all words",
            fine=r"(?s:.*)",
            told_by=r"-[cef]|--(command|execute|eval|file)",
        ),
        (
            "psql",
            "mysql",
            "mariadb",
            "mongo",
            "mongosh",
            "redis-cli",
            "cqlsh",
            "sqlplus",
            "isql",
            "clickhouse*",
            "influx",
        ),
    ),
    Uncontained(
        "clients of databases in files",
        "run shells, and read and write files, by what they are given or read",
        Use(
            "a file and a statement, and all words",
            fine=r"-(batch|readonly|safe|bail|csv|json|line|header)",
            operands=2,
        ),
        ("sqlite*", "duckdb"),
    ),
    Uncontained("editors", "run shells and write any file", NEVER, _EDITORS),
    Uncontained(
        "programs that browse or mail",
        "run shells, and read and write files, by what is typed",
        NEVER,
        ("mc", "ranger", "nnn", "lynx", "links", "elinks", "w3m", "mutt", "neomutt", "mail", "mailx", "s-nail", "info"),
    ),
    Uncontained(
        "debuggers, and programs that ask what to do",
        "do whatever is typed or sent to them, some of them run shells",
        NEVER,
        (
            *(
                "gdb",
                "gdbserver",
                "gdbtui",
                "lldb*",
                "jdb",
                "crash",
                "debugfs",
                "fdisk",
                "cfdisk",
                "gdisk",
                "parted",
                "m4",
                "dc",
                "irb",
            ),
            *("jshell", "ipython*", "ftp", "tftp", "lftp", "sftp", "telnet", "smbclient", "nsupdate", "passwd"),
            *("chpasswd", "newusers", "chsh", "chfn", "bluetoothctl", "wpa_cli", "picocom", "minicom", "cu"),
        ),
    ),
    Uncontained(
        "programs that log in, or start a shell where nothing else is said",
        "run the shell of some user",
        NEVER,
        (
            *("su", "login", "runuser", "newgrp", "sg", "script", "unshare", "chroot", "nsenter", "capsh", "setarch"),
            *("linux32", "linux64", "i386", "x86_64", "uname26", "sulogin", "sesearch", "newrole", "runcon", "mosh*"),
        ),
    ),
    Uncontained(
        "terminals within terminals",
        "start shells, or take one to those that are there",
        NEVER,
        ("tmux", "screen", "byobu*", "zellij", "dtach", "abduco", "ttyd", "gotty", "conspy", "reptyr", "dvtm"),
    ),
    Uncontained(
        "programs that run what they read",
        "take commands, or words of them, from what is sent to them",
        NEVER,
        ("at", "batch", "crontab", "xargs", "parallel", "entr"),
    ),
    Uncontained(
        "shells of other machines",
        "run what they are given there, or a shell, and forward ports",
        Use("a host and a command, and all words", fine=r"-[46CnqTtvx]+|-o.+", operands=2, runs_words=True),
        ("ssh", "rsh", "slogin", "autossh", "sshpass"),
    ),
    Uncontained(
        "programs that run others as somebody else",
        "run what they are given, or a shell",
        Use("a program, and all words", fine=r"-[nHE]+|--", operands=1, runs_words=True),
        ("sudo", "doas", "pkexec", "gosu", "su-exec"),
    ),
    Uncontained(
        "programs that run others",
        "run what they are told to",
        RUNS,
        (
            *("env", "nice", "nohup", "ionice", "chrt", "taskset", "timeout", "time", "setsid", "stdbuf", "choom"),
            *("watch", "flock", "strace", "ltrace", "perf", "setpriv", "prlimit", "start-stop-daemon", "daemonize"),
            *("systemd-run", "systemd-inhibit", "systemd-cat", "dbus-run-session", "dbus-launch"),
            *("unbuffer", "catchsegv", "valgrind", "fakeroot*", "proot", "firejail", "bwrap", "cgexec", "numactl"),
            *("ssh-agent", "ld.so", "ld-linux*", "ld-musl*", "ldd", "busybox", "toybox", "run-parts", "exec"),
        ),
    ),
    Uncontained(
        "programs that ask where they are not told",
        "do whatever is typed or sent to them, and what their options say",
        Use("a subcommand, and all words", operands=1),
        ("openssl", "virsh", "nmcli", "machinectl", "ip", "nft", "tc", "firewall-cmd"),
    ),
    Uncontained(
        "programs that manage containers",
        "run what they are told to, in containers and with the rights of who may make them",
        RUNS,
        ("docker*", "podman*", "nerdctl", "ctr", "crictl", "kubectl", "helm", "lxc*", "incus", "systemd-nspawn"),
    ),
    Uncontained(
        "programs that build, install or serve what they are pointed at",
        "run what they are pointed at",
        FIXED,
        (
            *(
                "make",
                "gmake",
                "cmake",
                "ninja",
                "cargo",
                "go",
                "npm",
                "npx",
                "yarn",
                "pnpm",
                "pip*",
                "pipx",
                "uv",
                "gem",
                "bundle",
            ),
            *("mvn", "gradle", "ansible*", "puppet", "salt*", "vagrant", "terraform", "apt*", "dpkg*", "rpm", "yum"),
            *("dnf", "apk", "snap", "flatpak", "pacman", "zypper", "brew", "gcc*", "g++*", "cc", "c++", "clang*"),
            *("ld", "as", "objcopy", "gfortran*", "tcc", "*-linux-gnu-gcc*", "*-linux-gnu-g++*", "debconf*"),
            *("update-alternatives", "ldconfig", "nginx", "sshd", "httpd", "apache2*"),
        ),
    ),
    Uncontained(
        "pagers",
        "open any file, and may run shells",
        FIXED,
        ("less", "more", "most", "pg", "man", "bat", "batcat"),
    ),
    Uncontained(
        "programs that write files, or send them elsewhere",
        "can write what others run or obey, such as ~/.profile or ~/.ssh/authorized_keys",
        FIXED,
        (
            *("cp", "mv", "dd", "tee", "install", "ln", "tar", "cpio", "zip", "unzip", "7z*", "ar", "patch", "split"),
            *("csplit", "curl", "wget", "aria2c", "shred", "truncate", "uniq", "xxd", "rm", "mkfifo", "mknod", "touch"),
            *("gpg*", "tic", "scp", "rsync", "socat", "nc", "ncat", "netcat", "nmap", "tcpdump", "localedef"),
            *("ssh-keygen", "gzip", "xz", "bzip2", "zstd", "pg_dump*", "mysqldump", "sponge", "rename"),
        ),
    ),
    Uncontained(
        "programs that change users, rights, disks or the system",
        "can give rights to whoever uses them",
        FIXED,
        (
            *(
                "chmod",
                "chown",
                "chgrp",
                "chattr",
                "setfacl",
                "setcap",
                "mount",
                "umount",
                "losetup",
                "swapon",
                "mkfs*",
            ),
            *("useradd", "usermod", "userdel", "groupadd", "groupmod", "gpasswd", "adduser", "sysctl", "modprobe"),
            *("insmod", "kexec", "init", "telinit", "iptables*", "ip6tables*", "ldattach", "e2fsck", "fsck*"),
        ),
    ),
    Uncontained(
        "programs of which some subcommands or options run others",
        "run programs and write files by some of their subcommands and options",
        FIXED,
        ("git*", "hg", "svn", "systemctl", "busctl", "dbus-send", "gdbus", "coredumpctl", "find", "sort"),
        by_options=True,
    ),
)
