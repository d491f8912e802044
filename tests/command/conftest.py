from __future__ import annotations

from hypothesis import settings

# A shared runner stalls now and then; a deadline would make that a failure. No database: a run depends on nothing old.
settings.register_profile("terrarium", deadline=None, database=None, derandomize=True)
settings.load_profile("terrarium")
