"""Proves by the node's key at which hub it is (docs/extensions.md#place-proofs)."""

from omnyshell.errors import ProtocolException
from omnyshell.protocol.messages.places import NodePlaceRequest, NodePlaceResponse
from omnyshell.security.credentials import CredentialProvider, PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey, encode_base64
from omnyshell.security.place_proof import ProvenPlace, process_name
from omnyshell.services.node.hubs.epoch import NewestEpoch


def signing_key(credentials: CredentialProvider) -> Ed25519PrivateKey | None:
    """Return the key that proves places; None for a token, and for a key that an agent or a hardware token holds.

    Those may ask somebody for each signature, and a node registers without anybody there.
    """
    return credentials.private_key if isinstance(credentials, PublicKeyCredentialProvider) else None


class PlaceSigner:
    """Signs where one process of a node is, by no epoch that is older than its newest."""

    def __init__(self, node_id: str, instance: str, newest: NewestEpoch) -> None:
        """`newest` takes each epoch that is signed, so that no hub collects proofs for later."""
        self._node_id, self._process, self._newest = node_id, process_name(instance), newest

    def answer(self, request: NodePlaceRequest, key: Ed25519PrivateKey) -> NodePlaceResponse:
        """Return the proof that the node is at the hub that asks.

        Raises `ProtocolException` for an epoch that is older than the newest, or further ahead than counts.
        """
        self._newest.take(request.epoch)
        if request.epoch > self._newest.value:
            # It counts for more the next time. What is signed must never be ahead of what other hubs are told.
            raise ProtocolException(f"the hub names the epoch {request.epoch}, and {self._newest.value} counts by now")
        place = ProvenPlace(
            generation=request.generation,
            hub=request.hub,
            node_id=self._node_id,
            process=self._process,
            epoch=request.epoch,
        )
        return NodePlaceResponse(
            request_id=request.request_id,
            public_key=key.public_key.to_base64(),
            signature=encode_base64(key.sign(place.message)),
        )
