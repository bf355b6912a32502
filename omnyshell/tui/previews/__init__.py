"""Previews of sessions' screens, without attaching to them."""
