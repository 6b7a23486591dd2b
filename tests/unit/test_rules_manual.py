"""Every rule's code, name and manual page, and the truth of the examples in it."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest

from interprobe import analysis
from interprobe.analysis import Rule, UnknownRuleError

SECTIONS = ["What it does", "Why is this bad?", "Example", "Use instead"]
OPTIONAL_SECTIONS = ["Limits"]
RULES = [pytest.param(rule, id=rule.CODE) for rule in analysis.rules()]


def _sections(rule: Rule) -> dict[str, str]:
    _, *parts = re.split(r"^## (.+)$", analysis.manual_page(rule), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_rules_are_found_sorted_and_unique() -> None:
    codes = [rule.CODE for rule in analysis.rules()]
    assert codes == sorted(set(codes))
    assert {f"IP10{digit}" for digit in range(1, 10)} | {"IP110", "IP301"} <= set(codes)
    names = [rule.NAME for rule in analysis.rules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", RULES)
def test_a_file_is_named_after_its_rule(rule: Rule) -> None:
    assert re.fullmatch(r"IP\d{3}", rule.CODE)
    assert isinstance(rule, ModuleType)
    name = rule.__name__.rpartition(".")[2]
    assert name == f"{rule.CODE.lower()}_{rule.NAME.replace('-', '_')}"


@pytest.mark.parametrize("rule", RULES)
def test_a_manual_page_has_its_sections_in_order(rule: Rule) -> None:
    first_line = analysis.manual_page(rule).splitlines()[0]
    assert re.fullmatch(rf"{rule.CODE} {rule.NAME}: [^.]+\.", first_line)
    assert analysis.summary(rule) == first_line.partition(": ")[2]
    sections = _sections(rule)
    assert [name for name in sections if name not in OPTIONAL_SECTIONS] == SECTIONS
    assert all(len(text.split()) > 5 for text in sections.values())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("section", ["Example", "Use instead"])
def test_the_examples_run_and_keep_what_they_promise(rule: Rule, section: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", _sections(rule)[section], flags=re.DOTALL)
    assert blocks
    for block in blocks:
        names: dict[str, Any] = {}
        exec(compile(block, f"{rule.CODE}, {section}", "exec"), names)
        promises = re.findall(r"^(\S.*?)  # (True|False)\b", block, flags=re.MULTILINE)
        assert promises, block
        for expression, value in promises:
            assert eval(expression, names) == (value == "True"), expression


@pytest.mark.parametrize("rule", RULES)
def test_the_example_shows_the_pitfall_and_the_cure_removes_it(rule: Rule) -> None:
    sections = _sections(rule)
    assert "  # False" in sections["Example"]
    assert "  # True" in sections["Use instead"]


@pytest.mark.parametrize("name", ["IP102", "ip102", " order-mismatch ", "Order-Mismatch"])
def test_a_rule_is_found_by_code_and_by_name(name: str) -> None:
    assert analysis.find_rule(name).CODE == "IP102"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("IP1022", "IP102 order-mismatch"), ("order-missmatch", "IP102 order-mismatch"), ("", "IP")],
)
def test_an_unknown_rule_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownRuleError, match=f"did you mean {nearest}"):
        analysis.find_rule(name)
