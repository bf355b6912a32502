"""Known programs that rules can hardly restrict, or not at all: their users decide what they run or write.

The list is for warnings, and is no security boundary: other programs can do the same (see docs/security.md).
"""

from typing import NamedTuple


class Use(NamedTuple):
    """How a rule's arguments restrict a program to one purpose, whatever is typed or sent to it."""

    text: str
    """What a rule must fix, in words, for a warning."""

    fine: str = r"(?!)"
    """A regular expression for words that may come first."""

    told_by: str = r"(?!)"
    """A regular expression for options whose next word tells the program what to do."""

    operands: int = 0
    """How many operands (words that are no options) tell the program what to do; may be 0."""

    by_path: bool = False
    """Whether such an operand must be an absolute path."""

    runs_words: bool = False
    """Whether the operands name another program, which then has to be restricted too."""

    open_behind_option: bool = False
    open_behind_operand: bool = False
    """Whether words after the operands go to the program that is run, so that a client may choose them."""


FIXED = Use("all words")
RUNS = Use("all words, of which those that are a program keep this to one thing", runs_words=True)
"""For programs that run what their arguments name, and take no commands from their input."""

NEVER = None


class Uncontained(NamedTuple):
    """A kind of program that is hard to restrict."""

    what: str
    why: str
    contained: Use | None
    """How a rule can restrict them; None if it cannot."""

    names: tuple[str, ...]
    """Patterns of their names."""

    by_options: bool = False
    """Whether they are dangerous only if a client can choose options or the first word."""


def _named(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_ANYTHING = "run whatever they are given or read"

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
        _named(
            "sh bash rbash lbash dash ash zsh* rzsh fish ksh* rksh mksh lksh yash posh sash csh tcsh rc es elvish "
            "pwsh nu xonsh osh oil ysh"
        ),
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
        _named(
            "python* pypy* perl* ruby* node nodejs deno bun php* lua* tclsh* wish* expect Rscript guile* java ocaml "
            "ghci scala groovy erl iex elixir swift R julia octave* gnuplot sbcl clisp racket qjs gjs osascript slsh "
            "jrunscript jjs dotnet"
        ),
    ),
    Uncontained(
        "editors of streams",
        "run whatever programs of their own language say",
        Use("their program, and all words", fine=r"-[nErsuz]+|-F.*", told_by=r"-[ef]", operands=1),
        _named("awk gawk mawk nawk sed gsed"),
    ),
    Uncontained(
        "clients of databases",
        "run shells, and read and write files, by what they are given or read",
        Use(
            "a statement behind `-c`, `-e` or the like, and all words",
            fine=r"(?s:.*)",
            told_by=r"-[cef]|--(command|execute|eval|file)",
        ),
        _named(
            "psql pgcli mysql mycli mariadb mongo mongosh redis-cli valkey-cli cqlsh sqlplus sqlcmd isql clickhouse* "
            "influx"
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
        _named("sqlite* litecli duckdb tdbtool"),
    ),
    Uncontained(
        "editors",
        "run shells and write any file",
        NEVER,
        _named(
            "vi vim* rvim rview nvim view ex ed red nano rnano pico emacs* joe jed mg micro hx kak mcedit visudo vipw "
            "vigr sudoedit aspell ispell"
        ),
    ),
    Uncontained(
        "programs that browse, show or mail",
        "run shells, and read and write files, by what is typed",
        NEVER,
        _named(
            "mc ranger nnn lf ncdu lynx links elinks w3m mutt neomutt alpine mail mailx s-nail info iftop tig lazygit "
            "fzf dialog whiptail cowsay cowthink yelp zathura"
        ),
    ),
    Uncontained(
        "debuggers, and programs that ask what to do",
        "do whatever is typed or sent to them, some of them run shells",
        NEVER,
        _named(
            "gdb gdbserver gdbtui lldb* jdb pdb* crash scanmem debugfs fdisk sfdisk cfdisk gdisk sgdisk parted lvm m4 "
            "dc irb pry jshell ipython* ftp ncftp tftp lftp sftp psftp telnet smbclient nsupdate nslookup passwd "
            "chpasswd newusers chsh chfn bluetoothctl wpa_cli hostapd_cli picocom minicom cu vtysh bconsole "
            "supervisorctl msfconsole tasksh"
        ),
    ),
    Uncontained(
        "programs that log in, or start a shell where nothing else is said",
        "run the shell of some user",
        NEVER,
        _named(
            "su ksu login agetty getty mingetty runuser newgrp sg script scriptreplay asciinema openvt unshare chroot "
            "nsenter capsh setarch linux32 linux64 i386 x86_64 uname26 sulogin newrole runcon mosh* run0"
        ),
    ),
    Uncontained(
        "terminals within terminals",
        "start shells, or take one to those that are there",
        NEVER,
        _named("tmux tmate screen byobu* zellij dtach abduco ttyd gotty conspy reptyr dvtm xterm rlwrap"),
    ),
    Uncontained(
        "programs that run what they read",
        "take commands, or words of them, from what is sent to them",
        NEVER,
        _named("at batch crontab xargs parallel entr pexec run-mailcap"),
    ),
    Uncontained(
        "programs that unpack or restore what they read",
        "write files that what is sent to them names, or rules of the system",
        NEVER,
        _named("patch cpio pax uudecode sftp-server restore iptables-restore ip6tables-restore"),
    ),
    Uncontained(
        "shells of other machines",
        "run what they are given there, or a shell, and forward ports",
        Use("a host and a command, and all words", fine=r"-[46CnqTvx]+|-o.+", operands=2, runs_words=True),
        _named("ssh rsh rlogin slogin dbclient autossh sshpass ssh-copy-id check_by_ssh"),
    ),
    Uncontained(
        "programs that run others as somebody else",
        "run what they are given, or a shell",
        Use("a program, and all words", fine=r"-[nHE]+|--", operands=1, runs_words=True),
        _named("sudo sudo-rs doas pkexec gosu su-exec setuidgid"),
    ),
    Uncontained(
        "programs that run others",
        "run what they are told to",
        RUNS,
        _named(
            "env nice nohup ionice chrt taskset timeout time setsid stdbuf choom watch watchexec flock setlock "
            "softlimit cpulimit strace ltrace perf bpftrace stap setpriv prlimit start-stop-daemon daemonize "
            "systemd-run systemd-inhibit systemd-cat dbus-run-session dbus-launch unbuffer catchsegv valgrind "
            "fakeroot* proot firejail bwrap cgexec numactl aa-exec torify torsocks proxychains* logsave multitime "
            "ssh-agent ld.so ld-linux* ld-musl* ldd busybox toybox run-parts exec grc service invoke-rc.d logrotate "
            "certbot openvpn dhclient pppd restic borg xdotool facter"
        ),
    ),
    Uncontained(
        "programs that ask where they are not told",
        "do whatever is typed or sent to them, and what their options say",
        Use("a subcommand, and all words", operands=1),
        _named("openssl virsh nmcli machinectl ip bridge nft tc firewall-cmd"),
    ),
    Uncontained(
        "programs that manage containers",
        "run what they are told to, in containers and with the rights of who may make them",
        RUNS,
        _named("docker* podman* nerdctl ctr crictl kubectl helm lxc* incus systemd-nspawn"),
    ),
    Uncontained(
        "programs that build, install or serve what they are pointed at",
        "run what they are pointed at",
        FIXED,
        _named(
            "make gmake cmake ninja rake cargo go npm npx yarn pnpm pip* easy_install* composer cpan cabal uv gem "
            "bundle* mvn gradle ansible* puppet salt* knife vagrant terraform tofu apt* dpkg* rpm* yum dnf apk opkg "
            "snap flatpak pacman zypper brew gcc* g++* cc c89 c99 c++ clang* ghc cobc nasm ld as objcopy gfortran* "
            "tcc *-linux-gnu-gcc* *-linux-gnu-g++* debconf* update-alternatives ldconfig nginx sshd httpd apache2* "
            "haproxy redis-server postgres pg_ctl mysqld* sendmail exim* *tex latexmk pandoc groff troff nroff"
        ),
    ),
    Uncontained(
        "pagers", "open any file, and may run shells", FIXED, _named("less more most pg man bat batcat zless zmore")
    ),
    Uncontained(
        "programs that write files, or send them elsewhere",
        "can write what others run or obey, such as ~/.profile or ~/.ssh/authorized_keys",
        FIXED,
        _named(
            "cp mv dd tee install ln tar bsdtar zip unzip unsquashfs 7z* ar arj split csplit shuf "
            "iconv curl wget aria2c shred truncate uniq xxd rm mkfifo mknod touch gpg* tic scp rsync rclone "
            "sshfs socat nc ncat netcat nmap tcpdump tshark dumpcap localedef ssh-keygen gzip bzip2 xz zstd pg_dump* "
            "pg_restore pg_basebackup mysqldump sponge rename dos2unix sdiff xmllint xsltproc dmidecode"
        ),
    ),
    Uncontained(
        "programs that change users, rights, disks or the system",
        "can give rights to whoever uses them",
        FIXED,
        _named(
            "chmod chown chgrp chattr setfacl setcap mount umount losetup swapon mkfs* useradd usermod userdel "
            "groupadd groupmod gpasswd adduser sysctl modprobe insmod kexec init telinit iptables* ip6tables* "
            "ldattach e2fsck fsck* dmsetup mdadm hdparm"
        ),
    ),
    Uncontained(
        "programs of which some subcommands or options run others",
        "run programs and write files by some of their subcommands and options",
        FIXED,
        _named(
            "git* hg svn gh glab aws gcloud systemctl busctl dbus-send gdbus coredumpctl find fd fdfind sort rg ag "
            "ack diff3 ssh-keyscan ssh-add"
        ),
        by_options=True,
    ),
)
