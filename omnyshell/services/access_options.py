"""Options of all that connects to a hub. Every command loads them, so they need nothing."""

from omnyshell.options.option import Option
from omnyshell.services.service_options import STRICT_MODES

HUB = Option("--hub", "hub to use, as wss://host:port or a piece of a saved name (OMNYSHELL_HUB)", "URL")
PRINCIPAL = Option("--principal", "who to log in as (OMNYSHELL_PRINCIPAL)", "NAME")
TOKEN = Option(
    "--token", "token to log in with; OMNYSHELL_TOKEN and --token-file keep it off the command line", "TOKEN"
)
TOKEN_FILE = Option("--token-file", "file that holds the token (OMNYSHELL_TOKEN_FILE)", "FILE", "file")
KEY = Option(
    "--key",
    "Ed25519 key to log in with: a file, or agent[:COMMENT] for one of ssh-agent (OMNYSHELL_KEY)",
    "FILE",
    "file",
)
AGENT = "agent"
"""What is given as a key that ssh-agent holds, with `:COMMENT` behind it where it holds several."""


def is_of_agent(key: str) -> bool:
    """Tell whether what is given as a key means one of an agent; a file of that name is `./agent`."""
    return key == AGENT or key.startswith(f"{AGENT}:")


KEY_PASSPHRASE_FILE = Option(
    "--key-passphrase-file",
    "file with the passphrase of an encrypted key; OMNYSHELL_KEY_PASSPHRASE, or asked for, if not given",
    "FILE",
    "file",
)
CA = Option("--ca", "certificates to trust instead of the system's (OMNYSHELL_CA)", "FILE", "file")
BIND_CERTIFICATE = Option(
    "--bind-certificate",
    "the hub's own certificate, where a proxy ends TLS before it (OMNYSHELL_BIND_CERTIFICATE)",
    "FILE",
    "file",
)
ALLOW_UNBOUND = Option(
    "--allow-unbound",
    "prove the key to this hub also as version 0.1 and the original do, where it knows nothing better",
    kind="flag",
)
BINDING = (BIND_CERTIFICATE, ALLOW_UNBOUND)

ACCESS = (HUB, PRINCIPAL, TOKEN, TOKEN_FILE, KEY, KEY_PASSPHRASE_FILE, CA, *BINDING, STRICT_MODES)
"""How a hub is reached; each but a flag is also read from the environment, as `OMNYSHELL_` and its name."""
