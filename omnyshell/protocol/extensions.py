"""Names of the extensions in wire protocol section 9; each is used only toward a peer that announced it."""

INTERACTIVE = "interactive"
AUTH_BIND = "auth-bind"
ADMIN = "admin"
RESUME_OFFSET = "resume-offset"
SCREEN_ETAG = "screen-etag"
TUNNEL_EOF = "tunnel-eof"
EVENTS = "events"
