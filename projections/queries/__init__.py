"""Questions to the projections. All SQL that the API runs is here, with bound parameters only.

:mod:`~projections.queries.ports` says what may be asked; :mod:`~projections.queries.clickhouse` answers it.
"""
