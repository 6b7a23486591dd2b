"""The benchmarks' harness: pairing, figures, callgrind's counts, tables. No time is asserted."""

import ast
import json

import benchmark_modules
import pytest

from benchmarks import __main__ as command
from benchmarks import callgrind, figures, tables, targets
from benchmarks.paired import Rounds, Trio, run_rounds
from benchmarks.processes import RunError
from benchmarks.profilers import INTERPROBE, PLAIN, Profiler

# The end and the middle of what callgrind 3.19 writes; what stands between is left out.
DUMP = """# callgrind format
version: 1
creator: callgrind-3.19.0
part: 3
desc: Trigger: Client Request

positions: line
events: Ir
summary: 122789

ob=(1) /usr/bin/python3.12
fn=(12) _PyEval_EvalFrameDefault
+1 98

totals: 122789
"""


def present(name: str) -> Profiler:
    """A peer that is taken to be installed."""

    class Present(Profiler):
        def missing(self) -> str | None:
            return None

    return Present(name, lambda output: [])


def test_callgrinds_count_is_the_line_of_totals():
    assert callgrind.instructions_in(DUMP) == 122_789


def test_a_file_without_totals_is_refused():
    with pytest.raises(ValueError, match="no line of totals"):
        callgrind.instructions_in(DUMP.replace("totals:", "sums:"))


def test_instructions_per_call_are_those_of_the_longer_run_less_the_shorter():
    # Per operation: what came before, 100 calls, 300 calls. A run has 50 instructions besides.
    dumps = [9_999, 100 * 7 + 50, 300 * 7 + 50, 9_999, 100 * 11 + 50, 300 * 11 + 50]
    assert callgrind.instructions_per_call(dumps, ["a", "b"], 100) == {"a": 7.0, "b": 11.0}


def test_a_missing_count_is_refused():
    with pytest.raises(ValueError, match="left 5 files, not 6"):
        callgrind.instructions_per_call([1] * 5, ["a", "b"], 100)


def test_each_profiled_run_stands_between_two_plain_runs():
    order = []

    def measure(profiler: Profiler) -> int:
        order.append(profiler.name)
        return len(order)

    profilers = (INTERPROBE, present("peer"))
    found = run_rounds(measure, profilers, rounds=2, peer_rounds=1)
    assert order == ["plain", "interprobe", "plain", "peer", "plain", "interprobe", "plain"]
    assert found.plain == [1, 3, 5, 7]
    assert found.profiled == {"interprobe": [Trio(1, 2, 3), Trio(5, 6, 7)], "peer": [Trio(3, 4, 5)]}
    assert found.failures == {}


def test_a_peer_that_fails_is_left_out_with_its_reason_and_not_tried_again():
    tried = []

    def measure(profiler: Profiler) -> int:
        tried.append(profiler.name)
        if profiler.name == "peer" and tried.count("peer") == 2:
            raise RunError("it ended with signal 11")
        return 0

    found = run_rounds(measure, (INTERPROBE, present("peer")), rounds=3, peer_rounds=3)
    assert tried.count("peer") == 2
    assert found.failures == {"peer": "it ended with signal 11"}
    assert list(found.profiled) == ["interprobe"]


def test_a_peer_that_is_not_installed_is_named_and_never_started():
    absent = Profiler("no-such-profiler", lambda output: [])

    def measure(profiler: Profiler) -> int:
        assert profiler is not absent
        return 0

    found = run_rounds(measure, (INTERPROBE, absent), rounds=1, peer_rounds=1)
    assert "no-such-profiler is not installed" in found.failures["no-such-profiler"]


@pytest.mark.parametrize("failing", [PLAIN, INTERPROBE])
def test_a_failure_of_plain_python_or_of_interprobe_ends_the_benchmark(failing: Profiler):
    def measure(profiler: Profiler) -> int:
        if profiler is failing:
            raise RunError("it ended with exit status 1")
        return 0

    with pytest.raises(RunError, match="exit status 1"):
        run_rounds(measure, (INTERPROBE,), rounds=1, peer_rounds=1)


def test_what_is_added_is_counted_from_the_mean_of_the_plain_neighbours():
    trios = [Trio(100.0, 160.0, 120.0), Trio(100.0, 130.0, 100.0), Trio(300.0, 320.0, 260.0)]
    assert figures.added(trios) == {"median": 40.0, "low": 35.0, "high": 45.0, "runs": 3}
    assert figures.ratio(trios[1:2]) == {"median": 1.3, "low": 1.3, "high": 1.3, "runs": 1}


def test_the_noise_floor_is_the_distance_of_neighbouring_plain_runs():
    assert figures.noise_floor([10.0, 13.0, 12.0, 17.0]) == 3.0


def test_a_number_is_picked_from_every_run():
    rounds = Rounds([(1, 2.0)], {"peer": [Trio((1, 2.0), (3, 4.0), (5, 6.0))]}, {"other": "why"})
    picked = rounds.picked(lambda run: run[1])
    assert picked == Rounds([2.0], {"peer": [Trio(2.0, 4.0, 6.0)]}, {"other": "why"})


def test_a_table_has_a_line_for_each_row():
    drawn = tables.table(["operation", "ns"], [["a call", "12"], ["a copy", "1,300"]])
    assert drawn == "| operation | ns |\n| --- | ---: |\n| a call | 12 |\n| a copy | 1,300 |\n"


def test_only_what_stands_between_the_markers_is_replaced():
    page = f"# Title\n{tables.BEGIN}\nold\n{tables.END}\nthe end\n"
    once = tables.between_markers(page, "new\n")
    assert once == f"# Title\n{tables.BEGIN}\n\nnew\n\n{tables.END}\nthe end\n"
    assert tables.between_markers(once, "new") == once


@pytest.mark.parametrize("page", ["", tables.BEGIN, f"{tables.END}\n{tables.BEGIN}"])
def test_a_page_without_both_markers_is_refused(page: str):
    with pytest.raises(tables.MarkerError, match="needs the lines"):
        tables.between_markers(page, "new")


def test_a_figure_at_its_target_is_within_it():
    assert targets.verdict(45.0, 45.0) == "within"
    assert targets.verdict(45.1, 45.0) == "**over**"
    assert targets.verdict(45.1, None) == ""


def test_every_operation_of_the_program_has_a_label_and_a_target():
    source = (benchmark_modules.FOLDER / "programs" / "operations.py").read_text()
    listed = next(
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "OPERATIONS"
    )
    names = {node.id for node in ast.walk(listed) if isinstance(node, ast.Name)}
    assert names - {"pybind11_calls"} == set(targets.OPERATIONS)


def test_the_page_shows_the_figures_that_are_kept():
    page = command.PAGE.read_text()
    results = json.loads(command.RESULTS.read_text())
    assert tables.between_markers(page, command.draw(results)) == page


def test_the_page_has_a_table_for_every_benchmark():
    page = command.PAGE.read_text()
    assert [part.TITLE for part in command.PARTS if f"### {part.TITLE}\n" not in page] == []


def test_an_unknown_benchmark_is_refused_with_the_names_that_exist(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "everything"])
    assert ended.value.code == 2
    assert "many-crossings" in capsys.readouterr().err
