"""Names of the extensions in wire protocol section 9; each is used only toward a peer that announced it."""

INTERACTIVE = "interactive"
AUTH_BIND = "auth-bind"
ADMIN = "admin"
TUNNEL_EOF = "tunnel-eof"
