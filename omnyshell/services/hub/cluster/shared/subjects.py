"""Subjects of the stream that says who is where: a hub's beats, and its nodes'."""

import base64

BEAT = "beat"
"""The end of the subject of a hub's beats."""


def of_places(generation: str) -> str:
    """Return what all of a generation begin with; the id of the hub that writes follows."""
    return f"omnyshell.{generation}.places."


def subject_of_beat(generation: str, hub: str) -> str:
    """Return where a hub's beats are."""
    return f"{of_places(generation)}{hub}.{BEAT}"


def name_of_node(node_id: str) -> str:
    """Return the end of the subjects of a node, of whichever hub; a dot in its id would part it."""
    return f"node.{base64.urlsafe_b64encode(node_id.encode()).decode().rstrip('=')}"


def node_of(name: str) -> str:
    """Return the node id that a subject's end is about; "" if it is about none."""
    kind, _, token = name.partition(".")
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode() if kind == "node" else ""
    except ValueError:
        return ""
