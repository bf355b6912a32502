"""Asks a node to prove by its key that it is at this one of several hubs (docs/extensions.md#place-proofs)."""

from functools import partial

from omnyshell.errors import ProtocolException
from omnyshell.protocol.messages.places import NodePlaceRequest, NodePlaceResponse
from omnyshell.security.keys import decode_base64_lenient
from omnyshell.security.place_proof import PlaceProof
from omnyshell.services.hub.nodes.places import AskedPlace
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.truth.answer import Answer


def ask_for_proof(questions: NodeQuestions, node: FarEnd, place: AskedPlace) -> Answer[PlaceProof]:
    """Return the answer of a node that is asked now; see `Prover`. Whether its proof is right is not looked at."""
    answer = Answer[PlaceProof]()
    question = partial(NodePlaceRequest, generation=place.generation, hub=place.hub, epoch=place.epoch)
    questions.ask(
        node,
        lambda request_id: question(request_id=request_id),
        NodePlaceResponse,
        lambda response: _take(response, answer),
        answer.fail,
    )
    return answer


def _take(response: NodePlaceResponse, answer: Answer[PlaceProof]) -> None:
    try:
        key, signature = map(decode_base64_lenient, (response.public_key, response.signature))
    except ValueError:
        answer.fail(ProtocolException("its proof cannot be read"))
    else:
        answer.give(PlaceProof(key, signature))
