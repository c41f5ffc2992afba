"""What people write again and again where no reason code fits. Deterministic, without a model.

Texts are compared by the cosine of their character trigrams, weighted by how rare each is: spelling and
word order matter little, negation as much as any word, so a person reads the examples before a code is
made of them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from app.domain.events import Feedback, OverrideCategory
from app.domain.exception_rule import draft_rule
from app.domain.facts import Invalid, parse_facts

OTHER = "other"
"""The reason code that asks for a text of one's own."""
LIKE = 0.45
"""Cosine from which a text belongs to a cluster."""
MOST_TEXTS = 2000
"""The latest different texts that are compared: work grows with texts times clusters."""
MOST_EXAMPLES = 3
_SHARED = 0.9
"""Share of a scenario's cases that must have a fact alike for it to be part of the condition."""

Vector = Mapping[str, float]


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that say about the same. ``text`` is the most typical one, ``code`` a name drafted from it;
    ``examples`` are decisions, ``condition`` is what a scenario's cases share, as CEL."""

    code: str
    text: str
    count: int
    people: int
    category: str
    examples: tuple[str, ...]
    condition: str = ""


def new_codes(feedback: Sequence[Feedback], known: frozenset[str], fewest: int, people: int) -> list[Cluster]:
    """Proposals of reason codes from the texts of answers with ``other``, or a code that is unknown.

    ``fewest`` answers by at least ``people`` people make a proposal; the most frequent come first. Each
    answer counts once, whatever number of sinks it taught.
    """
    unexplained = [one for one in feedback if one.reason_code == OTHER or one.reason_code not in known]
    return _proposals(_once(unexplained), fewest, people, known)


def new_scenarios(feedback: Sequence[Feedback], fewest: int, people: int) -> list[Cluster]:
    """Proposals of scenarios from the edge cases: what they share is drafted as a condition."""
    edge = [one for one in _once(feedback) if one.category is OverrideCategory.EDGE_CASE]
    return [
        msgspec.structs.replace(cluster, condition=_shared(members))
        for cluster, members in _with_members(edge, fewest, people, frozenset())
    ]


def clusters_of(texts: Iterable[str], like: float = LIKE) -> list[list[str]]:
    """Different texts in groups, the largest group first; each group begins with its most typical text.

    Leader clustering over the texts by frequency (J. A. Hartigan, Clustering Algorithms, 1975, ch. 3), then
    each text goes to the leader that it is nearest to.

    Examples
    --------
    >>> clusters_of(["receipt is missing", "The receipt is missing!", "missing receipt", "wrong cost centre"])
    [['missing receipt', 'receipt is missing', 'The receipt is missing!'], ['wrong cost centre']]
    """
    counted = Counter(texts)
    ordered = sorted(counted, key=lambda text: (-counted[text], len(text), text))[:MOST_TEXTS]
    vectors = _vectors(ordered)
    leaders: list[str] = []
    for text in ordered:
        if not any(cosine(vectors[text], vectors[leader]) >= like for leader in leaders):
            leaders.append(text)
    groups: dict[str, list[str]] = {leader: [] for leader in leaders}
    for text in ordered:
        groups[max(leaders, key=lambda leader: cosine(vectors[text], vectors[leader]))].append(text)
    return sorted(groups.values(), key=lambda group: (-sum(counted[text] for text in group), group[0]))


def cosine(one: Vector, other: Vector) -> float:
    """Similarity of two unit vectors, 0 to 1."""
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    return sum(weight * large.get(name, 0.0) for name, weight in small.items())


def normalised(text: str) -> str:
    """As texts are compared: no case, accents, digits or punctuation.

    >>> normalised("Reçu  no. 4711 is MISSING!")
    'recu no is missing'
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c if c.isalpha() else " " for c in plain if not unicodedata.combining(c))
    return " ".join(letters.split())


def cluster_words(cluster: Cluster) -> str:
    """A proposal as a sentence.

    >>> cluster_words(Cluster(code="receipt_missing", text="receipt is missing", count=7, people=3,
    ...     category="ai_error", examples=("exp-1",)))
    '7 answers by 3 people say about "receipt is missing" (for example exp-1).'
    """
    where = f" They share: {cluster.condition}." if cluster.condition else ""
    return (
        f'{cluster.count} answers by {cluster.people} people say about "{cluster.text}" '
        f"(for example {', '.join(cluster.examples)}).{where}"
    )


_WORDS = re.compile(r'say about "(?P<text>.*)" \(for example (?P<examples>.*?)\)\.', re.DOTALL)


def quoted(words: str) -> tuple[str, frozenset[str]]:
    """What a sentence of ``cluster_words`` repeats of people: their text, and decisions as examples.

    >>> quoted('7 answers by 3 people say about "receipt is missing" (for example exp-1, exp-2).')[0]
    'receipt is missing'
    >>> quoted("Overrides are rising.")
    ('', frozenset())
    """
    found = _WORDS.search(words)
    return (found["text"], frozenset(found["examples"].split(", "))) if found else ("", frozenset())


def _proposals(
    feedback: Sequence[Feedback], fewest: int, people: int, taken: frozenset[str]
) -> list[Cluster]:
    return [cluster for cluster, _ in _with_members(feedback, fewest, people, taken)]


def _with_members(
    feedback: Sequence[Feedback], fewest: int, people: int, taken: frozenset[str]
) -> list[tuple[Cluster, list[Feedback]]]:
    by_text: dict[str, list[Feedback]] = {}
    for one in feedback:
        text = (one.reasoning or one.note).strip()
        if normalised(text):
            by_text.setdefault(text, []).append(one)
    found: list[tuple[Cluster, list[Feedback]]] = []
    used = set(taken)
    for group in clusters_of(text for text, told in by_text.items() for _ in told):
        members = [one for text in group for one in by_text[text]]
        who = {one.reviewer for one in members}
        if len(members) < fewest or len(who) < people:
            continue
        categories = Counter(one.category.value for one in members if one.category)
        code = _free(code_of(group[0]), used)
        used.add(code)
        cluster = Cluster(
            code=code,
            text=group[0],
            count=len(members),
            people=len(who),
            category=min(categories, key=lambda name: (-categories[name], name)) if categories else "",
            examples=tuple(sorted({one.decision_id for one in members})[:MOST_EXAMPLES]),
        )
        found.append((cluster, members))
    return found


def code_of(text: str) -> str:
    """A name for a reason from its first long words.

    >>> code_of("The receipt is missing"), code_of("!")
    ('the_receipt_missing', 'unnamed')
    """
    words = [word for word in re.findall(r"[a-z]+", normalised(text)) if len(word) > 2]
    return "_".join(words[:3]) or "unnamed"


def _free(code: str, used: set[str]) -> str:
    number, free = 2, code
    while free in used:
        free, number = f"{code}_{number}", number + 1
    return free


def _once(feedback: Iterable[Feedback]) -> list[Feedback]:
    """Each answer once, the latest texts last."""
    answers = {(one.decision_id, one.reviewer, one.decided_at): one for one in feedback}
    return sorted(answers.values(), key=lambda one: (one.decided_at, one.feedback_id))


def _shared(members: Sequence[Feedback]) -> str:
    """CEL for the facts that nearly all of these cases have alike, or nothing."""
    counted: Counter[tuple[str, object]] = Counter()
    for one in members:
        facts = parse_facts(one.facts)
        if not isinstance(facts, Invalid):
            counted.update((name, value) for name, value in facts.items() if isinstance(value, str | bool))
    common = {
        name: value
        for (name, value), times in sorted(counted.items(), key=str)
        if times >= _SHARED * len(members) and isinstance(value, str | bool)
    }
    return draft_rule(common, ()) if common else ""


def _vectors(texts: Sequence[str]) -> dict[str, Vector]:
    """Unit vectors of trigrams, weighted by 1 + log(texts / texts with it)."""
    grams = {text: Counter(_trigrams(normalised(text))) for text in texts}
    spread = Counter(gram for counts in grams.values() for gram in counts)
    vectors: dict[str, Vector] = {}
    for text, counts in grams.items():
        weighted = {g: n * (1 + math.log(len(texts) / spread[g])) for g, n in counts.items()}
        length = math.sqrt(sum(weight * weight for weight in weighted.values())) or 1.0
        vectors[text] = {gram: weight / length for gram, weight in weighted.items()}
    return vectors


def _trigrams(text: str) -> list[str]:
    """Within words: where a word stands does not matter.

    >>> _trigrams("no bill")
    [' no', 'no ', ' bi', 'bil', 'ill', 'll ']
    """
    return [f" {word} "[i : i + 3] for word in text.split() for i in range(len(word))]
