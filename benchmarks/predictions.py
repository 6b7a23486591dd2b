"""Reads from a trace what interprobe predicts that a cure would gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

LEAST_GAIN = 1.05
"""A cure that gains less must be recommended to nobody."""
CLEAR_GAIN = 1.2
"""From here on interprobe recommends it; in between, it leaves it undecided."""
WORTH_IT = "worth it"


class Prediction(TypedDict):
    """What one run says of a pitfall.

    Attributes:
        speedup: Of the crossing; None where nothing is predicted.
        low: Lower end of its interval; None where it has none.
        high: Its upper end.
        method: ``measured``, ``estimated`` or ``not measured``.
        cache: State of the caches that it holds for; None where that plays no part.
        reason: Why it was not measured; None where it was.
        verdict: ``worth it``, which recommends the cure, ``undecided`` or ``not worth it``; ""
            where it says none of these.
        rule: Code of the rule whose finding says so; "" where it is from the measurement alone.
    """

    speedup: float | None
    low: float | None
    high: float | None
    method: str
    cache: str | None
    reason: str | None
    verdict: str
    rule: str


def predicted(trace: Mapping[str, Any], function: str) -> Prediction | None:
    """The prediction for the lines of a function; None where the trace has nothing to say of them.

    Findings come first, those that gain most before the others: somebody who follows a report acts
    on them. Where no finding tells a gain, the measurement itself does.

    Args:
        trace: What ``interprobe run --json`` wrote.
        function: The function of the program that crosses into native code.
    """
    found = list(_of_findings(trace, function)) or list(_of_replays(trace, function))
    return max(found, key=lambda each: each["speedup"] or 0.0, default=None)


def _is_in(record: Mapping[str, Any], function: str) -> bool:
    return str(record["user_site"]["function"]).split(".")[-1] == function


def _of_findings(trace: Mapping[str, Any], function: str) -> Iterator[Prediction]:
    for finding in trace.get("findings", ()):
        saving = finding.get("saving")
        if saving is None or not _is_in(finding, function):
            continue
        yield Prediction(
            speedup=saving.get("speedup"),
            low=saving.get("low"),
            high=saving.get("high"),
            method=saving.get("method", "not measured"),
            cache=saving.get("cache"),
            reason=saving.get("reason"),
            verdict=saving.get("verdict") or "",
            rule=finding["rule"],
        )


def _of_replays(trace: Mapping[str, Any], function: str) -> Iterator[Prediction]:
    for record in (*trace.get("calls", ()), *trace.get("copies", ())):
        for replay in record.get("replays", ()) if _is_in(record, function) else ():
            speedup, low = replay.get("speedup"), replay.get("low")
            yield Prediction(
                speedup=speedup,
                low=low,
                high=replay.get("high"),
                method="not measured" if speedup is None else "measured",
                cache=replay.get("cache"),
                reason=replay.get("reason"),
                verdict="" if speedup is None else _verdict(speedup, low),
                rule="",
            )


def _verdict(speedup: float, low: float | None) -> str:
    if speedup < LEAST_GAIN or (low is not None and low <= 1.0):
        return "not worth it"
    return WORTH_IT if speedup >= CLEAR_GAIN else "undecided"
