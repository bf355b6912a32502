"""Examples that the help of a command ends with."""

_CP = """examples:
  omnyshell cp -p site web-1:/srv               a directory, which lands as /srv/site
  omnyshell cp report.pdf db-1:                 into the home directory there
  omnyshell cp 'db-1:/var/log/*.gz' logs/       a pattern of the node's
  omnyshell cp db-1:dump.sql.gz web-1:/tmp      from node to node
"""
_FORWARD = """examples:
  omnyshell forward db-1 5432:localhost:5432    then: psql -h localhost
  omnyshell forward web-1 0:localhost:80        a free port, which is printed
  omnyshell forward web-1 --socks 1080          then: curl --proxy socks5h://localhost:1080 URL
"""


def of_cp() -> str:
    """Return those of `cp`."""
    return _CP


def of_forward() -> str:
    """Return those of `forward`."""
    return _FORWARD
