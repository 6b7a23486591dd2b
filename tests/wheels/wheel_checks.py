"""What is checked of every binding: its program's ending, its copies, its crossings."""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from witness import Evidence


class Copied(NamedTuple):
    """Copies of one kind on one line.

    Attributes:
        count: How many.
        nbytes: Bytes that all of them wrote.
        mechanism: What made them.
        kind: What had to be done.
        unmet: The requirements that the arrays did not meet.
        native: The file of the extension that asked, up to its first dot; None: Python code asked.
    """

    count: int
    nbytes: int
    mechanism: str
    kind: str
    unmet: tuple[str, ...] = ()
    native: str | None = None

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "Copied":
        """What a record of a trace says."""
        native = record["native"] and Path(record["native"]["library"]).name.partition(".")[0]
        unmet = tuple(record["unmet"])
        return cls(
            record["count"], record["bytes"], record["mechanism"], record["kind"], unmet, native
        )


class Called(NamedTuple):
    """A crossing on one line: what it was bound with, and its name."""

    binding: str
    function: str


class WheelChecks:
    """The checks; a class for a binding says which program they are about and what is true of it.

    Attributes:
        program: In ``programs/``.
        modules: What it imports of wheels; without one of them the checks are skipped.
        copies: By case, what the trace must hold on the case's line: no more and no less.
        calls: By case, a crossing that the trace must hold there.
    """

    program: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    copies: ClassVar[dict[str, list[Copied]]]
    calls: ClassVar[dict[str, Called]]

    def test_the_program_and_its_functions_are_as_without_interprobe(
        self, evidence: Evidence
    ) -> None:
        assert evidence.plain[2] == 0, evidence.plain[1]
        assert evidence.probed == evidence.plain

    def test_every_block_of_numpy_is_a_copy_of_the_trace_or_an_output(
        self, evidence: Evidence
    ) -> None:
        assert evidence.unexplained() == {}

    def test_copies_stand_on_the_user_s_line_with_their_cause(
        self, evidence: Evidence, copying_case: str
    ) -> None:
        records = evidence.copies_at(copying_case)
        assert sorted(map(Copied.of_record, records)) == sorted(self.copies[copying_case])

    def test_no_copy_is_reported_where_none_is_made(self, evidence: Evidence) -> None:
        controls = [case for case in evidence.cases() if case not in self.copies]
        assert [case for case in controls if not case.endswith("control")] == []
        assert controls
        assert {
            case: evidence.copies_at(case) for case in controls if evidence.copies_at(case)
        } == {}

    def test_crossings_are_on_the_user_s_line_by_binding_and_name(
        self, evidence: Evidence, calling_case: str
    ) -> None:
        calls = [
            Called(call["binding"], call["function"]) for call in evidence.calls_at(calling_case)
        ]
        assert calls.count(self.calls[calling_case]) == 1

    def test_copies_of_the_cases_arrays_are_on_no_other_line(self, evidence: Evidence) -> None:
        lines = {evidence.line_of(case) for case in evidence.cases()}
        stray = [
            copy
            for copy in evidence.trace["copies"]
            if copy["user_site"]["line"] not in lines
            and copy["user_site"]["file"] == str(evidence.script)
            and evidence.is_of_a_case(copy["result"]["nbytes"])
        ]
        assert stray == []
