"""How long an environment lives, and when it sleeps. Settings only: the clock never enters the program."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from components.settings.fields import Settings, whole_number_only


class SleepSettings(Settings):
    """When an environment that nobody uses is put to sleep."""

    idle_hours: Annotated[int, Field(ge=1, le=8_760), BeforeValidator(whole_number_only)]
    """Hours without use after which `terrarium tidy` puts it to sleep (docs/lifetimes.md says what counts as use)."""
