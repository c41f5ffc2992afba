"""Whatever a page, a message or an evidence pack may name is said in words."""

from app.domain import attention, words
from app.domain.events import ObservationKind, ReviewKind
from app.policy.webhooks import HookEvent


def test_every_step_has_words():
    patterns = {HookEvent.PATTERN_DETECTED, HookEvent.RETRAIN}
    assert set(words.HAPPENED) == {event.value for event in HookEvent if event not in patterns}
    assert set(words.LAST_SEEN) == attention._LOOKING | attention._ENDING
    assert set(words.KINDS) == set(ReviewKind)
    assert set(words.OBSERVED) == set(ObservationKind)
    said = [
        text
        for table in (words.HAPPENED, words.LAST_SEEN, words.KINDS, words.OBSERVED)
        for text in table.values()
    ]
    assert not any("_" in text for text in said)
