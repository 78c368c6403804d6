"""What was found about a query, kept by its text: programs ask the same again and again, with other parameters.

Reading and vetting a statement of a thousand characters costs as much as running a small one. Kept is only what follows
from the text alone: no refusals, no statements that do anything, nothing that depends on which views there are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from projections.store import vetting
from projections.store.statements import Shape, Statement, read_statement

MAX_TEXT_BYTES, MAX_TEXTS = 16_384, 256
IsView = Callable[[str], bool]


class VettedQueries:
    """Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[bool, bytes], Statement] = OrderedDict()

    def read(self, text: bytes, body: bytes, is_view: IsView | None) -> Statement:
        """The statement as it may run; ``is_view``: for a read-only user, see :func:`vetting.vet_for_reader`.

        :raises StoreError: it can't be read, or may not run.
        """
        if len(text) + len(body) > MAX_TEXT_BYTES:
            return _vetted(text, body, is_view)
        key = (is_view is not None, text + body)
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
        asked = _Asked(is_view)
        statement = _vetted(text, body, None if is_view is None else asked)
        if statement.shape is Shape.SELECT and not asked.was_asked:
            with self._lock:
                self._kept[key] = statement
                if len(self._kept) > MAX_TEXTS:
                    self._kept.popitem(last=False)
        return statement


class _Asked:
    """Passes a question about a view on, and knows that there was one."""

    def __init__(self, is_view: IsView | None) -> None:
        self._is_view = is_view
        self.was_asked = False

    def __call__(self, name: str) -> bool:
        self.was_asked = True
        return self._is_view is not None and self._is_view(name)


def _vetted(text: bytes, body: bytes, is_view: IsView | None) -> Statement:
    statement = read_statement(text, body)
    vetting.vet_for_everyone(statement)
    return statement if is_view is None else replace(statement, sql=vetting.vet_for_reader(statement, is_view))
