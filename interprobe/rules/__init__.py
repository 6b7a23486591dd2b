"""The rules: one file each, found by ``interprobe.analysis``; none is listed anywhere.

A rule is a module with these names:

    CODE: str    unique; ``IP102``
    NAME: str    the pattern that it finds, never the cure; ``order-mismatch``
    check(trace: Trace) -> Iterator[Finding]    a pure function of the trace
    EXPLAINS_REFUSALS: bool    optional; whether it also sees the arguments and facts of calls whose
                               arguments the binding refused, so that C never ran
    CHANGES: Collection[str]   optional; names of the replays' changes that its fix amounts to: what
                               it gains is told from these. By default those that leave copies out,
                               where records are copies, else the one other change that was tried
    FIX_FIRST: bool    optional; whether its fix leads where several rules speak of one record

Its docstring is the manual page that ``interprobe explain IP102`` prints. It begins with
``IP102 order-mismatch: <one sentence>.`` and has the sections ``What it does``,
``Why is this bad?``, ``Example``, ``Use instead`` and, where there is something to say, ``Limits``.
The examples are run by the tests: an expression followed by ``# True`` or ``# False`` must be so.
"""
