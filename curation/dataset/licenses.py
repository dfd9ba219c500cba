"""Licences by what they say: a row names its licence by name and URL, since an id means something in one file only.

A picture that is made of several photographs is under the licences of all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from curation.dataset.label_sources import BETWEEN as BETWEEN  # of photographs and of models alike
from curation.dataset.label_sources import LABEL_LICENSE, LABEL_SOURCE, UNKNOWN, is_by_model
from curation.quarantine import printable

if TYPE_CHECKING:
    import pyarrow as pa

FILTERED: Final = "license"
"""The reason for rows that are left out because of their licence."""
PARTS: Final = ("foreground_", "background_", "second_")
"""Beginnings of the columns that name a photograph of a fused sample."""
LICENSE_COLUMNS: Final = (
    *("license", *(f"{part}{name}" for part in PARTS for name in ("id", "license"))),
    *("mask", LABEL_SOURCE, LABEL_LICENSE),
)
"""Of a manifest: what tells the licences of a row; that of its photograph alone where it has no other of them."""
RESTRICTIONS: Final = {
    "non_commercial": "are under a licence that forbids commercial use (NC)",
    "no_derivatives": "are under a licence that forbids derived pictures (ND)",
}
"""What is flagged wherever licences are shown: the names of `Terms`, and what to say of samples."""
CACHED: Final = 4096
MAX_TEXT: Final = 1000
"""Characters of a licence: it is a name and a link, not the text of the licence."""
URL: Final = re.compile(r"(?:https?://|www\.|(?=creativecommons\.org/))\S+", re.IGNORECASE)
LINK_ENDS: Final = re.compile(r"^(?:https?://)?(?:www\.)?|(?:/deed(?:\.\w+)?|/legalcode(?:\.\w+)?)?/?$", re.IGNORECASE)
COMMONS: Final = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<terms>(?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa))*)(?![\w%-])"
    r"|publicdomain/(?P<public>zero|mark)(?![\w%-]))(?:/(?P<version>\d\.\d))?",
    re.IGNORECASE,
)
"""Source: https://creativecommons.org/share-your-work/cclicenses/, whose URLs name the terms."""
PUBLIC: Final = {"zero": "cc0", "mark": "pdm"}
WORDS: Final = {"attribution": "by", "non ?commercial": "nc", "no ?deriv[a-z]*": "nd", "share ?alike": "sa"}
"""Words that Creative Commons, and Flickr, spell the terms with; blanks stand for dashes too."""
TERM: Final = "(?:nc|nd|sa|non ?commercial|no ?deriv[a-z]*|share ?alike)"
COMMONS_NAME: Final = re.compile(
    rf"(?P<cc>(?:the )?(?:creative commons|cc)[ -]?)?(?P<terms>(?:by|attribution)(?: {TERM})*)(?: licen[cs]e)?"
    r"(?: v?(?P<version>\d\.\d))?(?: (?:international|generic|unported))?(?: public)?(?: licen[cs]e)?"
)
COMMONS_ZERO: Final = re.compile(r"(?:creative commons |cc ?)(?:0|zero)(?: v?(?P<version>\d\.\d))?(?: universal)?")
IN_BRACKETS: Final = re.compile(r" ?\(([^()]*)\)$")
DASHES: Final = re.compile(r"[\s_\-\u2010-\u2015\u2212]+")
"""Blanks, and what is written for a dash; word processors write U+2011, which does not break, and U+2013."""
NON_COMMERCIAL: Final = re.compile(
    r"\bnon ?commercial|\b(?:not for|no) commercial\b|\bonly for (?:research|academic|educational)\b"
    r"|\b(?:research|academic|educational)(?: use| purposes?)? only\b"
    r"|\b(?:by|cc)(?:[ (]*(?:by|nd|sa|\d\.\d))*[ (]*nc(?=\b|nd|sa)|\bcelebamask hq\b"
)
"""CelebAMask-HQ has no licence text but this in its README: non-commercial research and educational purposes only."""
NO_DERIVATIVES: Final = re.compile(r"\bno ?deriv|\b(?:by|cc)(?:[ (]*(?:by|nc|sa|\d\.\d))*[ (]*nd(?=\b|nc|sa)")
VERSION: Final = re.compile(r"\b\d\.\d\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What matters most of a licence: is commercial use forbidden, and are pictures made of it."""

    non_commercial: bool = False
    no_derivatives: bool = False


class LicenseRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which licences are allowed: by name, by URL, or by a pattern with `*`, without regard to case.

    Creative Commons licences go by their terms too: `CC BY-SA 2.0` is that licence however a row spells it, `CC BY-SA`
    is any version of it. `unknown` allows photographs whose licence is not known.
    """

    allow: tuple[str, ...]
    unknown: bool = False

    def __post_init__(self) -> None:
        """Refuse a list that allows nothing."""
        if not all(entry.strip() for entry in self.allow) or not (self.allow or self.unknown):
            raise ValueError("allow must name at least one licence, and no empty one")

    def allows(self, text: str | None) -> bool:
        """Tell whether one licence is allowed."""
        return self.unknown if is_unknown(text) else _is_named(str(text), entries=self.allow)

    def allow_all(self, texts: Iterable[str | None]) -> bool:
        """Tell whether each of some licences is allowed."""
        return all(self.allows(text) for text in texts)


def license_text(meaning: str | None, *, id_: str, source: str) -> str:
    """Return what a row holds of a licence: name and URL as its file tells them, or the id as that of one unknown."""
    text = printable(" ".join((meaning or "").split()))[:MAX_TEXT]
    return text or f"{UNKNOWN} (id {id_} of {source})"


def is_unknown(text: str | None) -> bool:
    """Tell whether a licence is not known.

    >>> is_unknown(None), is_unknown("unknown (id 3 of coco/x)"), is_unknown("No known copyright restrictions")
    (True, True, False)
    """
    return text is None or not text.strip() or text == UNKNOWN or text.startswith(f"{UNKNOWN} (")


def licenses_of(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the licence of every photograph that a sample shows, of which only fused samples show more than one; and
    of the models, where its label is theirs."""
    of_label = tuple((row.get(LABEL_LICENSE) or UNKNOWN).split(BETWEEN)) if is_by_model(row) else ()
    if row.get("foreground_id") is None:
        return (row["license"], *of_label)
    return (*(row.get(f"{part}license") for part in PARTS if row.get(f"{part}id") is not None), *of_label)


def joint_license(parts: tuple[str | None, ...]) -> str | None:
    """Return the licence of a picture made of several, each once; None where none is known.

    >>> joint_license(("CC BY", None)), joint_license(("CC BY", "CC0", "CC BY")), joint_license((None, None))
    ('CC BY + unknown', 'CC BY + CC0', None)
    """
    different = list(dict.fromkeys(parts))
    return different[0] if len(different) == 1 else BETWEEN.join(part or UNKNOWN for part in different)


def allowed_rows(table: pa.Table, *, rules: LicenseRules | None) -> pa.Table:
    """Return the rows of which every licence is allowed; without rules all are."""
    if rules is None:
        return table
    import pyarrow as pa  # imported here: a dry run of COCO names licences, and answers before pyarrow is there

    return table.filter(pa.array([rules.allow_all(texts) for texts in row_licenses(table)], pa.bool_()))


def license_counts(table: pa.Table) -> dict[str, int]:
    """Return the number of rows under each licence, as a card tells it."""
    counted = Counter(text or UNKNOWN for text in table["license"].to_pylist())
    return dict(sorted(counted.items()))


def flagged_counts(samples: Iterable[Iterable[str | None]]) -> dict[str, int]:
    """Return how many samples, each given by its licences, are under each of `RESTRICTIONS`."""
    counts = dict.fromkeys(RESTRICTIONS, 0)
    for texts in samples:
        found = [terms_of(text) for text in texts if text is not None]
        for name in counts:
            counts[name] += any(getattr(terms, name) for terms in found)
    return counts


def license_warnings(counts: Mapping[str, int], *, samples: int) -> tuple[str, ...]:
    """Return a warning for each restriction that samples are under."""
    cure = "--licenses FILE keeps what the file allows"
    return tuple(
        f"{counts[name]} of {samples} samples {said}; {cure}" for name, said in RESTRICTIONS.items() if counts[name]
    )


@lru_cache(maxsize=CACHED)
def terms_of(text: str) -> Terms:
    """Return what a licence forbids, as far as its name or its URL says so.

    >>> terms_of("Attribution-NonCommercial-NoDerivs License http://creativecommons.org/licenses/by-nc-nd/2.0/")
    Terms(non_commercial=True, no_derivatives=True)
    >>> terms_of("CC BY 4.0"), terms_of("CC-BY-NC-SA-4.0").non_commercial
    (Terms(non_commercial=False, no_derivatives=False), True)
    """
    said = _forbidden(_name_of(text)) | _linked_terms(text)
    return Terms(non_commercial="nc" in said, no_derivatives="nd" in said)


def row_licenses(table: pa.Table) -> list[tuple[str | None, ...]]:
    """Return the licences of each row of a table: see `licenses_of`."""
    if "foreground_id" not in table.column_names and LABEL_SOURCE not in table.column_names:
        return [(text,) for text in table["license"].to_pylist()]
    rows = table.select([name for name in LICENSE_COLUMNS if name in table.column_names]).to_pylist()
    return [licenses_of(row) for row in rows]


def license_code(text: str) -> str:
    """Return a Creative Commons licence in short, with its version where that is told; "" for any other.

    >>> license_code("Attribution License http://creativecommons.org/licenses/by/2.0/"), license_code("MIT")
    ('cc-by-2.0', '')
    """
    return _code(text, with_version=True)


@lru_cache(maxsize=CACHED)
def _is_named(text: str, *, entries: tuple[str, ...]) -> bool:
    forms = _forms(text)
    return any(_fits(entry, forms=forms) for entry in entries)


def _fits(entry: str, *, forms: frozenset[str]) -> bool:
    plain = _plain(entry)
    if "*" in plain:
        return any(fnmatchcase(form, plain.replace("[", "[[]").replace("?", "[?]")) for form in forms)
    return plain in forms or _code(entry, with_version=VERSION.search(entry) is not None) in forms


def _forms(text: str) -> frozenset[str]:
    """Return all that a licence may be called: only its whole text where name and URL, or two URLs, may disagree."""
    name, url, linked = _name_of(text), URL.search(text), _linked_terms(text)
    named, _ = _named_terms(name)
    is_elsewhere = url is not None and COMMONS.match(LINK_ENDS.sub("", url[0])) is None
    if (
        len(URL.findall(text)) > 1
        or ((named or linked) and is_elsewhere)
        or (linked and (named not in (frozenset(), linked) or not _forbidden(name) <= linked))
    ):
        return frozenset({_plain(text)})
    codes = {_code(text, with_version=True), _code(text, with_version=False)}
    return frozenset({_plain(text), _plain(name), *([_plain(url[0])] if url else []), *codes} - {""})


def _code(text: str, *, with_version: bool) -> str:
    """Return a Creative Commons licence as `cc-by-nc-2.0`, or `cc-by-nc`; "" for any other.

    >>> _code("Attribution License http://creativecommons.org/licenses/by/2.0/", with_version=True)
    'cc-by-2.0'
    >>> _code("cc_by_nc_sa", with_version=True), _code("Photo by Attribution Ltd", with_version=True)
    ('cc-by-nc-sa', '')
    """
    named, version = _named_terms(_name_of(text))
    link = COMMONS.search(text)
    terms = _linked_terms(text) or named
    version = (link["version"] if link else None) or version
    public = terms & {*PUBLIC.values()}
    code = "-".join(public or ["cc", *(term for term in WORDS.values() if term in terms)]) if terms else ""
    return f"{code}-{version}" if code and version and with_version else code


def _linked_terms(text: str) -> frozenset[str]:
    links = COMMONS.finditer(text)
    return frozenset(
        term for link in links for term in (link["terms"] or PUBLIC[str(link["public"]).lower()]).lower().split("-")
    )


def _named_terms(name: str) -> tuple[frozenset[str], str | None]:
    """Return the terms and the version of a Creative Commons licence that is named, and nothing else beside it."""
    text = _words(name)
    brackets = IN_BRACKETS.search(text)
    # what says the same once more is nothing beside it; anything else may limit the licence
    is_repeated = brackets is not None and _named_terms(brackets[1])[0] == _named_terms(text[: brackets.start()])[0]
    bare = IN_BRACKETS.sub("", text) if is_repeated else text
    if zero := COMMONS_ZERO.fullmatch(bare):
        return frozenset({PUBLIC["zero"]}), zero["version"]
    found = COMMONS_NAME.fullmatch(bare)
    if found is None or (found["terms"] == "by" and not found["cc"]):
        return frozenset(), None
    said = found["terms"]
    for word, term in WORDS.items():
        said = re.sub(word, term, said)
    terms = frozenset(said.split())
    return (terms, found["version"]) if _forbidden(text) <= terms else (frozenset(), None)


def _forbidden(name: str) -> frozenset[str]:
    """Return `nc` and `nd` where a name speaks of them, in whatever sentence."""
    text = _words(name)
    found = {"nc": NON_COMMERCIAL.search(text), "nd": NO_DERIVATIVES.search(text)}
    return frozenset(term for term, match in found.items() if match)


def _words(name: str) -> str:
    return DASHES.sub(" ", unicodedata.normalize("NFKC", name).lower()).strip()


def _name_of(text: str) -> str:
    return " ".join(URL.sub(" ", text).split())


def _plain(text: str) -> str:
    """Return a text as it is compared: without case, kinds of blanks and dashes, and what is the same of every URL."""
    text = unicodedata.normalize("NFKC", text.strip())
    return DASHES.sub("-", URL.sub(lambda found: LINK_ENDS.sub("", found[0]), text).casefold())
