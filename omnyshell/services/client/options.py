"""Options of all that connects to a hub. Every command loads them, so they need nothing."""

from omnyshell.options.option import Option

HUB = Option("--hub", "hub to use, as wss://host:port (OMNYSHELL_HUB)", "URL")
PRINCIPAL = Option("--principal", "who to log in as (OMNYSHELL_PRINCIPAL)", "NAME")
TOKEN = Option(
    "--token", "token to log in with; OMNYSHELL_TOKEN and --token-file keep it off the command line", "TOKEN"
)
TOKEN_FILE = Option("--token-file", "file that holds the token (OMNYSHELL_TOKEN_FILE)", "FILE", "file")
KEY = Option("--key", "Ed25519 key to log in with (OMNYSHELL_KEY)", "FILE", "file")
KEY_PASSPHRASE_FILE = Option(
    "--key-passphrase-file",
    "file with the passphrase of an encrypted key; OMNYSHELL_KEY_PASSPHRASE, or asked for, if not given",
    "FILE",
    "file",
)
CA = Option("--ca", "certificates to trust instead of the system's (OMNYSHELL_CA)", "FILE", "file")

ACCESS = (HUB, PRINCIPAL, TOKEN, TOKEN_FILE, KEY, KEY_PASSPHRASE_FILE, CA)
"""How a hub is reached; each is also read from the environment, as `OMNYSHELL_` and its name."""
