"""Parses the header of the PROXY protocol, version 2, in which a load balancer passes the client's address. No I/O.

The code implements section 2.2 of its specification. Version 1, a line of text, is not supported.
"""

import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
VERSION = 2
LOCAL, PROXY = 0, 1

MAX_LENGTH = 4096
"""The most bytes after the fixed part: many times what balancers send."""

_FIXED = struct.Struct("!12sBBH")
_TLV = struct.Struct("!BH")
_CRC32C = 0x03

_UNSPECIFIED, _UNIX_STREAM = 0x00, 0x31
_ADDRESS_BYTES = {0x11: 4, 0x21: 16}
"""Bytes of an address, by address family and protocol: TCP over IPv4 and IPv6."""

_BLOCK = {_UNSPECIFIED: 0, 0x11: 12, 0x21: 36, _UNIX_STREAM: 216}
"""Bytes of the block of addresses, for all kinds of streams."""


class ProxyHeaderError(ValueError):
    """The input is no valid header. The text says what is wrong, for an operator."""


class ProxyHeaderReader:
    """Parses a header from pieces of any size.

    `feed` it at most `wants` bytes at a time, as bytes after the header belong to the connection. It is complete when
    `wants` is 0.
    """

    def __init__(self) -> None:
        self.wants = _FIXED.size
        self.address: str | None = None
        """The peer's IP address; None if the balancer connects for itself, or for a peer without an IP address."""

        self._read = b""

    def feed(self, data: bytes) -> None:
        """Parse bytes. Raises `ProxyHeaderError` as soon as they cannot be a header; do not call it again then."""
        if len(data) > self.wants:
            raise ValueError(f"{len(data)} bytes where {self.wants} were wanted")
        self._read += data
        self.wants -= len(data)
        self._check_signature()
        if self.wants:
            return
        if len(self._read) == _FIXED.size:
            self._begin()
        if not self.wants:
            self._finish()

    def _check_signature(self) -> None:
        if self._read[: len(SIGNATURE)] != SIGNATURE[: len(self._read)]:
            raise ProxyHeaderError(_what_it_is(self._read))

    def _begin(self) -> None:
        _, version, _, length = _FIXED.unpack(self._read)
        if version >> 4 != VERSION or version & 15 not in (LOCAL, PROXY):
            raise ProxyHeaderError(f"its version and command are {version:#04x}, which is neither LOCAL nor PROXY of 2")
        if length > MAX_LENGTH:
            raise ProxyHeaderError(f"it is {length} bytes long, more than {MAX_LENGTH}")
        self.wants = length

    def _finish(self) -> None:
        _, version, family, _ = _FIXED.unpack_from(self._read)
        if version & 15 == LOCAL:
            # The balancer's own connection, such as a health check: the rest has no meaning.
            return
        block = _BLOCK.get(family)
        rest = self._read[_FIXED.size :]
        if block is None:
            raise ProxyHeaderError(f"its address family and protocol are {family:#04x}, which is no stream")
        if len(rest) < block:
            raise ProxyHeaderError(f"it ends after {len(rest)} bytes, within its addresses")
        self._check_extras(_FIXED.size + block)
        size = _ADDRESS_BYTES.get(family)
        if size is not None:
            parsed = ipaddress.ip_address(rest[:size])
            self.address = str(getattr(parsed, "ipv4_mapped", None) or parsed)

    def _check_extras(self, start: int) -> None:
        """Check and skip the fields after the addresses: each is a type, a length and a value."""
        whole, is_checked = self._read, False
        while start < len(whole):
            if len(whole) - start < _TLV.size:
                raise ProxyHeaderError("it ends within an extra field")
            kind, length = _TLV.unpack_from(whole, start)
            start += _TLV.size
            if start + length > len(whole):
                raise ProxyHeaderError("an extra field is longer than the header")
            if kind == _CRC32C:
                if is_checked or not _is_sound(whole, start, length):
                    raise ProxyHeaderError("its checksum is wrong")
                is_checked = True
            start += length


def _what_it_is(data: bytes) -> str:
    if data.startswith(b"P"):
        return "it is of version 1, or no header at all; have the balancer send version 2 (send-proxy-v2)"
    if data.startswith(b"\x16"):
        return "TLS comes without one; have the balancer send it (send-proxy-v2)"
    return "what comes is none; have the balancer send it (send-proxy-v2)"


def _is_sound(header: bytes, start: int, length: int) -> bool:
    """Tell whether the checksum matches the whole header, in which its own bytes count as zeros."""
    blanked = header[:start] + bytes(length) + header[start + length :]
    return length == 4 and crc32c(blanked).to_bytes(4, "big") == header[start : start + length]


def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
        entries.append(entry)
    return tuple(entries)


_CRC_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of bytes, as RFC 3720 appendix B.4 has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF
