"""What a node signs for hubs: where it is, and nothing that is older or far ahead."""

import hashlib
from typing import Any

import pytest

from omnyshell import PublicKeyCredentialProvider, TokenCredentialProvider
from omnyshell.errors import ProtocolException
from omnyshell.ids import PrincipalId
from omnyshell.protocol.limits import MOST_JUMP
from omnyshell.protocol.messages.places import NodePlaceRequest
from omnyshell.security.keys import Ed25519PrivateKey, decode_base64_lenient
from omnyshell.services.node.hubs.epoch import NewestEpoch
from omnyshell.services.node.hubs.place import PlaceSigner, signing_key

KEY = Ed25519PrivateKey.generate()


def _asked(epoch: int) -> NodePlaceRequest:
    return NodePlaceRequest(request_id="r", generation="g1", hub="a", epoch=epoch)


def _field(text: bytes) -> bytes:
    return len(text).to_bytes(4) + text


def test_the_proof_is_over_all_that_says_where_the_process_is() -> None:
    answer = PlaceSigner("n1", "instance", NewestEpoch()).answer(_asked(7), KEY)
    process = hashlib.sha256(b"instance").hexdigest().encode()
    signed = b"".join(map(_field, (b"\xffomnyshell:place:v1", b"g1", b"a", b"n1", process, b"7")))
    assert (answer.request_id, answer.public_key) == ("r", KEY.public_key.to_base64())
    assert KEY.public_key.verify(decode_base64_lenient(answer.signature), signed)


def test_no_epoch_is_signed_that_is_older_or_further_ahead_than_others_count() -> None:
    newest = NewestEpoch()
    signer = PlaceSigner("n1", "instance", newest)
    signer.answer(_asked(7), KEY)
    assert newest.value == 7
    for refused in (6, 8 + MOST_JUMP):
        with pytest.raises(ProtocolException, match=str(refused)):
            signer.answer(_asked(refused), KEY)
    # What was refused as too far ahead counts for the next time.
    assert newest.value == 7 + MOST_JUMP


def test_only_a_key_that_the_node_has_itself_signs() -> None:
    who: Any = PrincipalId("box")
    assert signing_key(PublicKeyCredentialProvider(who, KEY)) is KEY
    assert signing_key(TokenCredentialProvider(who, "token")) is None
