"""What SQLAlchemy takes for a connection while it renders metadata: it writes down what would be sent. No database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import DDLElement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Dialect

__all__ = ["RecordingConnection"]


class RecordingConnection(MockConnection):
    """A connection whose statements are kept as text; whatever it is asked, it answers with nothing.

    Listeners of a metadata (`after_create` and the like) use it as they would use a real one.
    """

    statements: list[str]

    def __init__(self) -> None:
        # "named", because the pyformat style of the drivers writes each % in a literal twice.
        dialect = cast("Any", postgresql).dialect(paramstyle="named")
        super().__init__(cast("Dialect", dialect), cast("Any", self._keep))
        self.statements = []

    def execute(self, obj: Any, parameters: Any = None, execution_options: Any = None) -> Any:  # noqa: ARG002
        """Keeps the statement, with the parameters as literals."""
        self._keep(obj)
        return _Nothing()

    def exec_driver_sql(self, statement: str, parameters: Any = None, execution_options: Any = None) -> _Nothing:  # noqa: ARG002
        """Keeps a text as it is."""
        self.statements.append(statement.strip().rstrip(";"))
        return _Nothing()

    def scalar(self, obj: Any, *_: Any, **__: Any) -> None:
        """Keeps the statement."""
        self._keep(obj)

    def scalars(self, obj: Any, *_: Any, **__: Any) -> _Nothing:
        """Keeps the statement."""
        self._keep(obj)
        return _Nothing()

    def commit(self) -> None:
        """There is nothing to commit."""

    def _keep(self, statement: Any, *_: object, **__: object) -> _Nothing:
        options = {} if isinstance(statement, DDLElement) else {"literal_binds": True}
        text = str(statement.compile(dialect=self.dialect, compile_kwargs=options))
        self.statements.append(text.strip().rstrip(";"))
        return _Nothing()


class _Nothing:
    """The result of a query that nobody answered: no row."""

    rowcount = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def scalar(self) -> None:
        """No value."""

    def scalar_one_or_none(self) -> None:
        """No value."""

    def first(self) -> None:
        """No row."""

    def fetchone(self) -> None:
        """No row."""

    def one_or_none(self) -> None:
        """No row."""

    def fetchall(self) -> list[Any]:
        """No rows."""
        return []

    all = fetchall

    def scalars(self) -> _Nothing:
        """No values."""
        return self

    def mappings(self) -> _Nothing:
        """No rows."""
        return self

    def close(self) -> None:
        """There is nothing to close."""
