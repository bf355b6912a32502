"""The options of `omnyshell hub backup` and `hub restore`."""

from omnyshell.options.option import Option
from omnyshell.services.hub.backup.archive import SETTINGS
from omnyshell.services.hub.options import OPTIONS
from omnyshell.services.hub_place import HUB_PLACE

VARIABLE = "OMNYSHELL_BACKUP_PASSPHRASE"

_PASSPHRASE_FILE = Option(
    "--passphrase-file", f"file with the passphrase; {VARIABLE}, or asked for, if not given", "FILE", "file"
)

FILE_OPTIONS = tuple(
    Option(
        option.name, f"file of the hub to back up too: {option.help}; read from --hub-config if not given", "F", "file"
    )
    for option in OPTIONS
    if option.key in SETTINGS and option.key != "config"
)
"""Options of `hub start` that name files to back up."""

BACKUP_OPTIONS = (
    Option("file", "file to write", "FILE", optional=True),
    Option("--force", "replace the file", kind="flag"),
    _PASSPHRASE_FILE,
    Option("--to", "encrypt it to this key, which --make-key printed, instead of a passphrase", "KEY"),
    Option(
        "--make-key", "only make a key that backups can be encrypted to, and write its private part there", "F", "file"
    ),
    *HUB_PLACE,
    *FILE_OPTIONS,
)

RESTORE_OPTIONS = (
    Option("file", "the backup", "FILE"),
    Option("--state-dir", "state directory to make", "DIR", "directory", required=True),
    Option(
        "--out", "directory for configuration and certificates; left in the backup if not given", "DIR", "directory"
    ),
    Option("--force", "restore where something is: the old files are moved beside it", kind="flag"),
    _PASSPHRASE_FILE,
    Option(
        "--hub", "UID of the hub that has to have made it, as `hub info` and `hub backup` say; any if not given", "UID"
    ),
    Option("--key", "private key that the backup is encrypted to, made by `hub backup --make-key`", "F", "file"),
)
