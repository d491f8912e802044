"""Whose credentials are in use, as a rehearsed cloud is told: by nothing but AWS' own files.

With the standard library only: every start of the plugin pays for it.
"""

from __future__ import annotations

import configparser
import os
from contextlib import suppress


def account_of_caller() -> str | None:
    """Return the account that the AWS credentials in use belong to, as their profile says it; None if it does not.

    They are those of AWS' own tools: AWS_ACCOUNT_ID, else of the profile AWS_PROFILE, or the default one.
    """
    if account := os.environ.get("AWS_ACCOUNT_ID"):
        return account
    profiles = configparser.RawConfigParser(default_section="")
    with suppress(OSError, configparser.Error, UnicodeDecodeError):
        profiles.read(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", ""), encoding="utf-8")
    return profiles.get(os.environ.get("AWS_PROFILE", "default"), "aws_account_id", fallback=None)
