"""What imageref.py reads in an image reference, read by the API server: the same grammar, in CEL.

Both are run against the same references, generated ones too (tests/policies). Each step is a variable of the policy, a
list with an entry for each image; what is no reference keeps its text alone, so that no rule takes it for good.
"""

from __future__ import annotations

import re

from policies.rules.imageref import HEX_DIGITS, HOST, HUB, HUB_ALIASES, IDENTIFIER, LONGEST_PATH, PATH, TAG

# The part before the first slash is a host if it looks like one, else all of it is Docker Hub's.
_HOSTED = r"^(?:localhost|[^/@]*[.:A-Z][^/@]*)/"
_DIGEST = "|".join(f"{algorithm}:[a-f0-9]{{{digits}}}" for algorithm, digits in HEX_DIGITS.items())
_REST = f"(?::{TAG})?(?:@(?:{_DIGEST}))?$"
# Up to the tag, which begins at a colon after the last slash.
_NAME = "^(?:[^@]*/)?[^/:@]*"
_HUB = "|".join(re.escape(host) for host in (HUB, *HUB_ALIASES))

REFERENCES: tuple[tuple[str, str], ...] = (
    (
        "named",
        f"variables.images.map(text, {{'text': text, 'name': !text.matches(r'^{IDENTIFIER}$') "
        f"&& (text.matches(r'{_HOSTED}') ? text.matches(r'^{HOST}/{PATH}{_REST}') : text.matches(r'^{PATH}{_REST}')) "
        f"? text.find(r'{_NAME}') : ''}})",
    ),
    (
        "hosted",
        f"variables.named.map(i, {{'text': i.text, 'name': i.name == '' ? '' : i.name.matches(r'{_HOSTED}') "
        f"? i.name.find(r'^[^/]*').lowerAscii() + i.name.find(r'/.*') : '{HUB}/' + i.name}})",
    ),
    (
        "filled",
        f"variables.hosted.map(i, {{'text': i.text, 'name': !i.name.matches(r'^(?:{_HUB})/') ? i.name "
        f": '{HUB}' + (i.name.matches(r'^[^/]*/[^/]*$') ? '/library' : '') + i.name.find(r'/.*')}})",
    ),
    (
        "references",
        f"variables.filled.map(i, !i.name.matches(r'^[^/]*/.{{1,{LONGEST_PATH}}}$') "
        "? {'text': i.text, 'name': '', 'tag': '', 'digest': ''} : {'text': i.text, 'name': i.name, "
        "'tag': i.text.contains('@') ? '' : i.text.find(r':[^:/]*$'), "
        "'digest': i.text.contains('@') ? i.text.substring(i.text.indexOf('@') + 1) : ''})",
    ),
)
"""Variables that end in `references`: of each image its `text`; `name`, host and path in full, empty if it is no
reference; `tag` with its colon, empty if there is none or a digest beside it; `digest`, as `sha256:…` or empty."""
