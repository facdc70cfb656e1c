"""The one way an import says no: a sentence naming what was given and what would be accepted."""

from __future__ import annotations

from ..catalog.errors import BadRequest


class ImportRefused(BadRequest):
    """Nothing of the import was written.  A command that meets it ends with exit code 2."""
