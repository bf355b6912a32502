"""What a chain of certificates says of the authority above it."""

from cryptography import x509
from support.pki import Issued, issue, root

from omnyshell.security.cert_chain import authority_id


def _below(by: Issued, **how: bool) -> Issued:
    names = () if how else ("hub.example",)
    return issue(by, names=names, extra=x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), **how)


def test_the_authority_of_a_chain_is_the_same_whether_the_chain_shows_it_or_not() -> None:
    top, other = root(), root()
    middle = _below(top, is_authority=True)
    chains = [chain for each in (_below(top), _below(middle)) for chain in (each.chain, each.chain[:-1])]
    found = {authority_id(chain) for chain in chains}
    assert len(found) == 1
    assert authority_id(_below(other).chain) not in found
    # One that issued itself is its own authority, and one that does not say by whom it was issued has none.
    assert authority_id(issue(None, names=["hub.example"]).chain) not in found
    assert authority_id(issue(top, names=["hub.example"]).chain[:1]) == b""
