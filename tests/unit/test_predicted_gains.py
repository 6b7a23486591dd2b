"""The benchmark of gains: what is read from a trace, and what its table says of it."""

import benchmark_modules  # noqa: F401

from benchmarks.parts import gains
from benchmarks.pitfalls import pitfalls
from benchmarks.predictions import predicted

BAD = {"user_site": {"function": "bad"}}
ELSEWHERE = {"user_site": {"function": "prepare"}}
MEASURED = {"speedup": 1.5, "low": 1.4, "high": 1.6, "cache": "warm", "reason": None}
SAVING = {**MEASURED, "speedup": 2.0, "method": "measured", "verdict": "worth it"}


def prediction(speedup, verdict="worth it"):
    return {
        "speedup": speedup, "low": None, "high": None, "method": "measured", "cache": "warm",
        "reason": None, "verdict": verdict, "rule": "IP103",
    }  # fmt: skip


def part(real, *predictions):
    figure = {"median": real, "low": real - 0.01, "high": real + 0.01, "runs": 7}
    return {
        "what": "float32", "binding": "cffi", "real": figure, "same_output": True,
        "predictions": list(predictions), "replays": {"median": 0.08},
    }  # fmt: skip


def test_a_finding_comes_before_the_measurement_in_the_trace():
    trace = {
        "findings": [{**BAD, "rule": "IP103", "saving": SAVING}],
        "calls": [{**BAD, "replays": [{**MEASURED, "speedup": 9.0}]}],
    }
    assert predicted(trace, "bad")["speedup"] == 2.0
    assert predicted(trace, "bad")["rule"] == "IP103"


def test_without_a_finding_the_measurement_tells():
    trace = {"findings": [], "calls": [{**BAD, "replays": [MEASURED]}], "copies": []}
    assert predicted(trace, "bad")["speedup"] == 1.5
    assert predicted(trace, "bad")["verdict"] == "worth it"


def test_what_happens_on_other_lines_predicts_nothing():
    trace = {
        "findings": [{**ELSEWHERE, "rule": "IP103", "saving": SAVING}],
        "copies": [{**ELSEWHERE, "replays": [MEASURED]}],
    }
    assert predicted(trace, "bad") is None


def test_a_finding_that_is_not_worth_it_recommends_nothing():
    saving = {**SAVING, "verdict": "not worth it"}
    trace = {"findings": [{**BAD, "rule": "IP103", "saving": saving}]}
    assert predicted(trace, "bad")["verdict"] == "not worth it"


def test_the_run_in_the_middle_is_shown_and_none_where_most_have_none():
    runs = [prediction(3.0), prediction(1.0), prediction(2.0)]
    assert gains.middle(runs)["speedup"] == 2.0
    assert gains.middle([None, None, prediction(2.0)]) is None
    assert gains.middle([prediction(None), None, prediction(2.0)])["speedup"] is None
    assert gains.middle([None, None, None]) is None


def test_verdicts():
    assert gains.verdict(2.0, [prediction(2.3)]) == "within"
    assert gains.verdict(2.0, [prediction(2.5)]) == "**missed**"
    assert gains.verdict(2.0, [None]) == "**missed**"
    assert gains.verdict(1.1, [prediction(1.4)]) == ""
    assert gains.verdict(1.02, [prediction(1.4)]) == "**false recommendation**"
    undecided = prediction(1.02, verdict="undecided")
    assert gains.verdict(1.02, [undecided, None]) == "rightly not recommended"
    assert gains.verdict(1.02, [undecided, None, prediction(1.3)]) == "**false recommendation**"
    assert gains.verdict(2.0, [prediction(1.2), prediction(1.9), prediction(3.0)]) == "within"


def test_the_table_has_a_row_for_each_pitfall_and_says_which_could_not_be_run():
    results = {
        "one": part(2.0, prediction(2.1)),
        "other": part(1.01, None),
        "third": {"what": "int16", "binding": "nanobind, soxr", "missing": ["soxr"]},
        "fourth": {"what": "C order", "binding": "f2py", "failed": "it ended with signal 11"},
    }
    drawn = gains.draw(results)
    assert "| float32 | cffi | 2.00 | 1.99 to 2.01 | 2.10 |" in drawn
    assert "Of 1 cures that gain over 1.2, 1 were predicted within 20 %" in drawn
    assert "third has no row here: not installed: soxr." in drawn
    assert "fourth has no row here: it ended with signal 11." in drawn


def test_names_of_pitfalls_are_unique_and_every_kind_of_binding_is_among_them():
    cases = pitfalls()
    assert len({case.name for case in cases}) == len(cases)
    kinds = {case.binding.partition(",")[0] for case in cases}
    assert kinds == {"pybind11", "nanobind", "f2py", "Cython", "C API", "ctypes", "cffi"}
