"""What a job on many essays would take, from measured rates: python -m benchmarks.bill NAME=ESSAYS_PER_SECOND...

A rate is that of one machine while it runs, as `benchmarks.scale` and `benchmarks.growth` print it. Nothing is run: the
formula is

    computing = essays / (rate * machines)
    moved     = essays * (read + written) + machines * model
    moving    = moved / (machines * network)
    clock     = start + max(computing, moving)
    machine-hours = machines * clock / 3600

since a machine reads the next essays while it computes, and machines share nothing. What takes longest is the limit.
"""

import argparse
from dataclasses import dataclass

GB, MB = 10**9, 10**6
HOUR = 3600


@dataclass(frozen=True)
class Job:
    """A job, apart from its rate.

    Attributes:
        essays: How many.
        machines: How many work at once.
        start: Seconds until a machine computes.
        read: Bytes of an essay that are read.
        written: Bytes of an essay's results.
        model: Bytes that each machine gets once.
        network: Bytes per second of each machine.
    """

    essays: int
    machines: int
    start: float
    read: float
    written: float
    model: float
    network: float


@dataclass(frozen=True)
class Bill:
    """What a job takes: machine-hours, hours by the clock, bytes moved, and which of its parts is the longest."""

    machine_hours: float
    clock_hours: float
    moved: float
    limit: str


def bill(rate: float, job: Job) -> Bill:
    """Return what a job takes at a rate of one machine, in essays per second."""
    computing = job.essays / (rate * job.machines)
    moved = job.essays * (job.read + job.written) + job.machines * job.model
    moving = moved / (job.machines * job.network)
    clock = job.start + max(computing, moving)
    parts = {"processors": computing, "network": moving, "start": job.start}
    return Bill(job.machines * clock / HOUR, clock / HOUR, moved, max(parts, key=parts.__getitem__))


def rate(text: str) -> tuple[str, float]:
    """Return the name and the rate of ``NAME=RATE``, which is above 0."""
    name, found, number = text.partition("=")
    if not found or not float(number) > 0:
        raise ValueError(text)
    return name, float(number)


def machines(text: str) -> int:
    """Return a number of machines, 1 or more."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("rates", metavar="NAME=RATE", type=rate, nargs="+", help="essays a second of one machine")
    parser.add_argument("--essays", type=int, default=10_000_000)
    parser.add_argument("--machines", type=machines, default=10)
    parser.add_argument("--start", type=float, default=16, help="seconds until a machine computes")
    parser.add_argument("--read", type=float, default=1000, help="bytes of an essay")
    parser.add_argument("--written", type=float, default=1100, help="bytes of an essay with its results")
    parser.add_argument("--model", type=float, default=20, help="MB that each machine gets once")
    parser.add_argument("--network", type=float, default=100, help="MB a second of each machine")
    parser.add_argument("--price", type=float, help="of a machine-hour, in any currency; no price is assumed")
    asked = parser.parse_args()
    job = Job(
        asked.essays,
        asked.machines,
        asked.start,
        asked.read,
        asked.written,
        asked.model * MB,
        asked.network * MB,
    )
    print(f"{job.essays:,} essays, machines: {job.machines}")
    price = "" if asked.price is None else " price |"
    print(f"| | essays/s of a machine | machine-hours | hours by the clock | GB moved | limit |{price}")
    print(f"| --- | --- | --- | --- | --- | --- |{' --- |' if price else ''}")
    for name, speed in asked.rates:
        found = bill(speed, job)
        cost = "" if asked.price is None else f" {found.machine_hours * asked.price:,.2f} |"
        hours, clock = (f"{value:,.1f}" for value in (found.machine_hours, found.clock_hours))
        print(f"| {name} | {speed:,g} | {hours} | {clock} | {found.moved / GB:,.1f} | {found.limit} |{cost}")


if __name__ == "__main__":
    main()
