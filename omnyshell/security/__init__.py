"""Who may do what: keys, credentials, authenticators, authorizers, certificates, identity, login limits.

Nothing here is imported for its own sake: take names from the modules, so that a client that logs in with a
token does not pay for `cryptography`.
"""
