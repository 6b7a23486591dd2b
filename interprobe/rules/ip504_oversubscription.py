"""IP504 oversubscription: more threads want to compute than there are cores for them.

## What it does

Reports long native calls during which more threads were ready to run than the program has cores, in
one process or in several of a run together. Both are Linux's own figures: how long each thread ran,
and how long it stood in the queue for a core. The cores are those that the program may use, by its
CPU affinity and by the quota of its container.

## Why is this bad?

Libraries for linear algebra and loops of OpenMP start as many threads as the machine has cores, in
every process and, with some, for every caller. Four worker processes on four cores then make 16
threads, and in a container that may use two cores of a machine of 64, one call makes 64. They push
each other out of the cores and the caches, and where threads wait for each other at the end of each
step, every step takes as long as the one that was pushed out last.

## Example

```python
import os

cores = len(os.sched_getaffinity(0))
workers, threads_of_each = 2 * cores, cores  # what os.cpu_count() and defaults lead to
workers * threads_of_each <= cores  # False
```

## Use instead

Share out the cores: few threads in many processes, or many in one. Say it before the libraries are
loaded, with OMP_NUM_THREADS (also OPENBLAS_NUM_THREADS, MKL_NUM_THREADS), or later with
`threadpoolctl.threadpool_limits`:

```python
import os

cores = len(os.sched_getaffinity(0))
workers = cores
threads_of_each = max(1, cores // workers)
os.environ["OMP_NUM_THREADS"] = str(threads_of_each)
workers * threads_of_each <= cores  # True
```

## Limits

Calls of 20 ms and more are looked at, and not all of them. The cost is the time that threads stood
in the queue for each other; what fewer threads gain is not measured, as that needs another run.
Threads that end before the call does are not counted, nor are those of programs outside of the run:
a machine that is busy with other things makes threads wait, and is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.call_arguments import parts_of
from interprobe.findings import Finding, Fix, RecordIndex, Saving, Site
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Call, Process, Trace
from interprobe.wording import counted, file_name, seconds_text

CODE = "IP504"
NAME = "oversubscription"

_QUEUED = "threads-queued"
_RAN = "threads-ran"
_LEAST_EXCESS = 1.5
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Demand:
    """What one record's long calls wanted of the cores.

    Attributes:
        index: The record's.
        process: Where it was.
        threads: Threads that wanted to run, on average over the call in which they were most.
        cores: That the process may use.
        waited: Share of the time of threads that wanted to run that they waited, 0 to 1.
        seconds: What the calls took in which they did.
    """

    index: int
    process: int
    threads: float
    cores: float
    waited: float
    seconds: float


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place at which threads stood in each other's way."""
    groups: dict[tuple[Site, str, str], list[Demand]] = {}
    for index, call in enumerate(trace.calls):
        demand = _demand(index, call)
        if demand is not None:
            place = (call.user_site, call.library, call.function)
            groups.setdefault(place, []).append(demand)
    for demands in groups.values():
        finding = _finding(trace, demands)
        if finding is not None:
            yield finding


def _demand(index: int, call: Call) -> Demand | None:
    """What a record's calls wanted, where threads waited in most of those looked at."""
    queued = [fact for fact in call.facts if fact.kind == _QUEUED and fact.limit > 0]
    looks = sum(max(0, fact.count) for fact in queued)
    others = sum(max(0, fact.count) for fact in call.facts if fact.kind == _RAN)
    if looks <= others or not queued:
        return None
    most = max(queued, key=lambda fact: fact.value)
    return Demand(
        index=index,
        process=call.process,
        threads=max(0, most.value) / 100,
        cores=most.limit / 100,
        waited=_waited(most.text),
        seconds=call.seconds * looks / (looks + others),
    )


def _waited(text: str | None) -> float:
    """The share of waiting in ``ran=200;waited=600``; 0 where it cannot be read."""
    parts = parts_of(text, ";")
    try:
        ran, waited = int(parts["ran"]), int(parts["waited"])
    except (KeyError, ValueError):
        return 0.0
    return waited / (ran + waited) if ran >= 0 and waited > 0 else 0.0


def _at_once(trace: Trace, demands: list[Demand]) -> list[Demand]:
    """Of each process the highest demand, for the processes of which most lived at one time."""
    highest: dict[int, Demand] = {}
    for demand in demands:
        known = highest.get(demand.process)
        if known is None or demand.threads > known.threads:
            highest[demand.process] = demand
    lives = {process.id: process for process in trace.processes}
    most: list[Demand] = []
    for moment in highest.values():
        start = lives[moment.process].started if moment.process in lives else 0.0
        alive = [
            demand
            for demand in highest.values()
            if demand is moment or _lives_at(lives.get(demand.process), start)
        ]
        most = max(most, alive, key=lambda some: sum(demand.threads for demand in some))
    return most


def _lives_at(process: Process | None, moment: float) -> bool:
    return process is not None and process.started <= moment < process.started + process.seconds


def _finding(trace: Trace, demands: list[Demand]) -> Finding | None:
    """What is said of one place; nothing where there are cores enough, or it is a trifle."""
    together = _at_once(trace, demands)
    if not together:
        return None
    threads = sum(demand.threads for demand in together)
    cores = min(demand.cores for demand in together)
    if cores <= 0 or threads < max(_LEAST_EXCESS * cores, cores + 1):
        return None
    # On a busy machine they wait longer; the rest is not the program's doing.
    own = 1 - cores / threads
    waiting = sum(min(own, demand.waited) * demand.seconds for demand in demands)
    cost = measured_cost(trace, {demand.process for demand in demands}, waiting, 0)
    if cost.share < _LEAST_SHARE:
        return None
    calls = [trace.calls[demand.index] for demand in demands]
    first = calls[0]
    seconds = sum(demand.seconds for demand in demands)
    waited = max(0.0, min(1.0, waiting / seconds)) if seconds > 0 else 0.0
    library = f" in {file_name(first.library)}" if first.library else ""
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity_of_cost(cost),
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause=f"While {first.function} ran, {_number(threads)} threads wanted a core"
        f"{_where(len(together))}, and the program may use {_cores_text(cores)}. Each stood in the "
        f"queue for {waited:.0%} of the time that it wanted to run.",
        evidence=f"{counted(sum(call.count for call in calls), 'call', 'calls')} of "
        f"{first.function}{library}, {seconds_text(seconds)} with threads in the queue; "
        f"{_number(threads)} ready to run on average, {_cores_text(cores)}",
        records=[RecordIndex(list="calls", index=demand.index) for demand in demands],
        cost=cost,
        fix=_fix(cores, len(together)),
        saving=Saving(reason="it takes another run, with fewer threads, to know"),
    )


def _number(threads: float) -> str:
    """A number of threads, rounded."""
    return f"{threads:,.0f}"


def _cores_text(cores: float) -> str:
    return "1 core" if cores == 1 else f"{cores:.3g} cores"


def _where(processes: int) -> str:
    return f", in {processes:,} processes together" if processes > 1 else ""


def _fix(cores: float, processes: int) -> Fix:
    """As many threads as there are cores, in all."""
    whole = max(1, int(cores))
    each = max(1, whole // processes)
    if processes > whole:
        text = (
            f"Start {counted(whole, 'process', 'processes')} instead of {processes}, each with one "
            "thread."
        )
    elif processes > 1:
        text = f"Give each of the {processes} processes {counted(each, 'thread', 'threads')}."
    else:
        text = f"Let all pools of threads together have no more than {whole}."
    return Fix(
        text=f"{text} Set the variables before the libraries are loaded, or use "
        "threadpoolctl.threadpool_limits later; where the program starts the threads itself, "
        "start fewer.",
        code="import os\n"
        f'os.environ["OMP_NUM_THREADS"] = "{each}"  # before NumPy and others are imported\n'
        f'os.environ["OPENBLAS_NUM_THREADS"] = "{each}"\n'
        f'os.environ["MKL_NUM_THREADS"] = "{each}"',
    )
