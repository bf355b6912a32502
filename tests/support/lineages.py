"""A certificate as certbot keeps it: numbered files in `archive`, and links in `live` that lead to the newest ones."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from support.pki import Issued

KINDS = ("privkey", "cert", "chain", "fullchain")
"""In the order in which the links are switched here, one after the other."""


@dataclass
class Lineage:
    """The files of one certificate below certbot's directory."""

    directory: Path
    name: str
    number: int = 0

    def __post_init__(self) -> None:
        self.archive, self.live = (self.directory / kind / self.name for kind in ("archive", "live"))
        for place in (self.archive, self.live):
            place.mkdir(parents=True, mode=0o700)

    def renew(self, issued: Issued, **instead: bytes) -> None:
        """Write the next files and switch the links; `instead` stands for some of the files."""
        for kind in self.write(issued, **instead):
            self.switch(kind)

    def write(self, issued: Issued, **instead: bytes) -> tuple[str, ...]:
        """Write the next files, the key for its owner alone, to which nothing leads yet; returns what they are."""
        self.number += 1
        leaf = issued.certificate.public_bytes(Encoding.PEM)
        above = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in issued.above[:-1])
        texts = {"privkey": issued.key_pem(), "cert": leaf, "chain": above, "fullchain": leaf + above} | instead
        for kind in KINDS:
            path = self.archive / f"{kind}{self.number}.pem"
            path.write_bytes(texts[kind])
            path.chmod(0o600 if kind == "privkey" else 0o644)
        return KINDS

    def switch(self, kind: str) -> None:
        """Have a link lead to the newest file: it is removed and made anew, and not there between."""
        link = self.live / f"{kind}.pem"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../archive/{self.name}/{kind}{self.number}.pem")
