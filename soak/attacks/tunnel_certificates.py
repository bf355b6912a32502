"""2,000 random sets of authorities: no client that can use the hub takes for it a tunnel that may show TLS."""

import argparse
import tempfile
from pathlib import Path

from support.pki_worlds import problems

from soak.report import Figure, report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        wrong, apart, dangerous = problems(range(options.first, options.first + options.seeds), Path(directory))
    if wrong:
        print(f"seeds: {wrong}")
    report(
        "attacks.tunnel_certificates",
        Figure(
            "a tunnel's certificate in place of the hub's, authorities cross-signed, renamed, hidden",
            "2,000 seeds: where TLS tunnels are on, no client that can use the hub accepts one",
            f"{options.seeds} seeds, {apart} with TLS tunnels on, {dangerous} dangerous, {len(wrong)} of them on",
            not wrong,
        ),
    )


if __name__ == "__main__":
    main()
