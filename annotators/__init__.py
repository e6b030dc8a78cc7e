"""Annotators: each module here computes columns of a record from other columns.

An annotator is one file. It declares `READS` (columns a record must have, or its columns stay null),
optionally `MAY_READ` (columns it uses when present) and `HINTS` (columns it looks at where the record has them already,
whoever computes them otherwise), `FIELDS` (or `Config.fields()`) for what it writes, and a frozen
`Config` whose `build()` returns a callable: list of records in, list of dicts of new columns out. Records are dicts of
arrays and strings as `schemas.fields` describes them. The file name is the annotator's name. One whose values change
under the same settings raises its `VERSION`, which stands in the fingerprint of shards.
"""

from annotators.common.registry import annotate, config, load, names, order, owners

__all__ = ["annotate", "config", "load", "names", "order", "owners"]
