"""Ten busy sessions, and a hub that is killed and restarted ten times in a row."""

import asyncio

from soak import hub_killed
from soak.hub_killed import MARK, soak
from soak.machines import running
from soak.report import Figure, report

KILLS = 10


def main() -> None:
    hub_killed.PAUSES = (0.001, 0.002, 0.0005)
    readers, _, times = asyncio.run(soak(KILLS, 5, 5, 0.0, 1))
    faults = [fault for reader in readers for fault in reader.faults]
    for fault in faults[:20]:
        print("fault:", fault)
    report(
        "busy_sessions",
        Figure(
            "ten busy sessions, the hub killed and restarted ten times",
            "every session resumed, every output complete",
            f"{sum(reader.lines for reader in readers)} lines, {len(faults)} faults, {running(MARK)} orphans; "
            f"all resumed within {max(times):.1f} s",
            not faults and not running(MARK),
        ),
    )


if __name__ == "__main__":
    main()
