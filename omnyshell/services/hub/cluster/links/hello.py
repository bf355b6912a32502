"""The first words on a link: each side says who it is, and by which log it goes."""

import msgspec

from omnyshell.services.hub.ground.json_values import decoded

LONGEST = 4096
"""Bytes of a hello at most."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A hub says who it is. A newer one may say more."""

    cluster: str
    generation: str
    hub: str

    def flaw_of(self, other: "Hello", hub: str) -> str:
        """Return why a link to another hub, which is `hub` by its certificate, is of no use; empty if it is."""
        if other.hub != hub:
            return f"its certificate is that of hub '{hub}', and it says that it is '{other.hub}'"
        if other.cluster != self.cluster:
            return f"it is of another cluster, '{other.cluster}'"
        if other.generation != self.generation:
            return f"it goes by another log, of the generation '{other.generation}'"
        return ""


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Hello)


def encode(hello: Hello) -> bytes:
    """Return a hello as bytes."""
    return _encoder.encode(hello)


def decode(raw: bytes) -> Hello:
    """Decode a hello. Raises `ValueError`."""
    if len(raw) > LONGEST:
        raise ValueError(f"its hello is longer than {LONGEST} bytes")
    try:
        return decoded(_decoder, raw)
    except ValueError as exc:
        raise ValueError(f"it says no hello: {exc}") from exc
