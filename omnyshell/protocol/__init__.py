"""The wire protocol without I/O: messages, frames, codec, credit and the peers' state machines."""
