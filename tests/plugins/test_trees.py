from __future__ import annotations

from rehearsal.plugins.properties import Secret
from rehearsal.plugins.trees import digested, meaning


def test_the_order_of_keys_means_nothing() -> None:
    # The engine sends them in any order: a preview without changes once found some.
    rules = [{"id": "b", "days": 7}, {"id": "a", "days": 9}]
    other = [{"days": 9, "id": "a"}, {"days": 7, "id": "b"}]

    assert meaning(rules) == meaning(other)
    assert repr(meaning({"x": rules})) == repr(meaning({"x": list(reversed(other))}))
    assert digested(Secret({"user": "u", "password": "p"})) == digested(Secret({"password": "p", "user": "u"}))


def test_what_differs_still_differs() -> None:
    assert meaning([{"id": "a", "days": 7}]) != meaning([{"id": "a", "days": 9}])
