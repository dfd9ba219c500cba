"""Licences by what they say: a row names its licence by name and URL, since an id means something in one file only.

A picture that is made of several photographs is under the licences of all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

import msgspec
import pyarrow as pa

FILTERED: Final = "license"
"""The reason for rows that are left out because of their licence."""
PARTS: Final = ("foreground_", "background_", "second_")
"""Beginnings of the columns that name a photograph of a fused sample."""
BETWEEN: Final = " + "
UNKNOWN: Final = "unknown"
CACHED: Final = 4096
URL: Final = re.compile(r"(?:https?://|www\.|(?=creativecommons\.org/))\S+", re.IGNORECASE)
LINK_ENDS: Final = re.compile(r"^(?:https?://)?(?:www\.)?|(?:/deed(?:\.\w+)?|/legalcode(?:\.\w+)?)?/?$", re.IGNORECASE)
COMMONS: Final = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<terms>(?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa))*)\b"
    r"|publicdomain/(?P<public>zero|mark)\b)(?:/(?P<version>\d\.\d))?",
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
IN_BRACKETS: Final = re.compile(r" ?\([^()]*\)$")
NON_COMMERCIAL: Final = re.compile(
    r"\bnon ?commercial|\b(?:not for|no) commercial\b|\bonly for (?:research|academic|educational)\b"
    r"|\b(?:research|academic|educational)(?: use| purposes?)? only\b|\b(?:by|cc)(?: nd| sa)* nc\b|\bcelebamask hq\b"
)
"""CelebAMask-HQ has no licence text but this in its README: non-commercial research and educational purposes only."""
NO_DERIVATIVES: Final = re.compile(r"\bno ?deriv|\b(?:by|cc)(?: nc| sa)* nd\b")
VERSION: Final = re.compile(r"\b\d\.\d\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What matters most of a licence: is commercial use forbidden, and are pictures made of it."""

    non_commercial: bool = False
    no_derivatives: bool = False


class LicenseRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which licences are allowed: by name, by URL, or by a pattern with `*`, without regard to case.

    Creative Commons licences go by their terms too: `CC BY-SA 2.0` is that licence however a row spells it, `CC BY-SA`
    is any version of it. `unknown` allows rows whose licence is not known.
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

    def allow_row(self, row: Mapping[str, Any]) -> bool:
        """Tell whether all licences of a row are allowed."""
        return all(self.allows(text) for text in licenses_of(row))

    def names(self, text: str | None) -> bool:
        """Tell whether the list itself holds a licence: to allow what is not known names none."""
        return not is_unknown(text) and self.allows(text)


def unknown_license(id_: str, *, source: str) -> str:
    """Return what stands for a licence of which only the id is known."""
    return f"{UNKNOWN} (id {id_} of {source})"


def is_unknown(text: str | None) -> bool:
    """Tell whether a licence is not known.

    >>> is_unknown(None), is_unknown("unknown (id 3 of coco/x)"), is_unknown("No known copyright restrictions")
    (True, True, False)
    """
    return text is None or not text.strip() or text == UNKNOWN or text.startswith(f"{UNKNOWN} (")


def licenses_of(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the licence of every photograph that a sample shows; only fused samples show more than one."""
    if row.get("foreground_id") is None:
        return (row["license"],)
    return tuple(row.get(f"{part}license") for part in PARTS if row.get(f"{part}id") is not None)


def joint_license(parts: tuple[str | None, ...]) -> str | None:
    """Return the licence of a picture made of several, each once; None where none is known.

    >>> joint_license(("CC BY", None)), joint_license(("CC BY", "CC0", "CC BY")), joint_license((None, None))
    ('CC BY + unknown', 'CC BY + CC0', None)
    """
    different = list(dict.fromkeys(parts))
    return different[0] if len(different) == 1 else BETWEEN.join(part or UNKNOWN for part in different)


def allowed_rows(table: pa.Table, *, rules: LicenseRules) -> pa.Table:
    """Return the rows of which every licence is allowed."""
    return table.filter(pa.array([rules.allow_row(row) for row in _license_rows(table)], pa.bool_()))


def license_counts(table: pa.Table) -> dict[str, int]:
    """Return the number of rows under each licence, as a card tells it."""
    counted = Counter(text or UNKNOWN for text in table["license"].to_pylist())
    return dict(sorted(counted.items()))


def flagged_counts(table: pa.Table) -> dict[str, int]:
    """Return how many rows show a photograph that may not be used commercially, or of which none may be derived."""
    found = [[terms_of(text) for text in licenses_of(row) if text is not None] for row in _license_rows(table)]
    return {name: sum(any(getattr(one, name) for one in row) for row in found) for name in Terms.__slots__}


def license_warnings(table: pa.Table, *, where: object) -> tuple[str, ...]:
    """Return a warning for each restriction that rows are under."""
    said = {
        "non_commercial": "may not be used commercially (NC)",
        "no_derivatives": "forbid that pictures are made of them (ND)",
    }
    counts = flagged_counts(table)
    cure = "`curate merge D --licenses FILE` keeps those that the file allows"
    return tuple(
        f"{where}: the licences of {counts[name]} of {len(table)} samples {text}; {cure}"
        for name, text in said.items()
        if counts[name]
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


def _license_rows(table: pa.Table) -> list[dict[str, Any]]:
    columns = ["license", *(f"{part}{name}" for part in PARTS for name in ("id", "license"))]
    rows: list[dict[str, Any]] = table.select([name for name in columns if name in table.column_names]).to_pylist()
    return rows


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
    """Return all that a licence may be called; of one whose name says other terms than its URL only the whole text."""
    name, url, linked = _name_of(text), URL.search(text), _linked_terms(text)
    named, _ = _named_terms(name)
    if linked and (named not in (frozenset(), linked) or not _forbidden(name) <= linked):
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
    found = COMMONS.search(text)
    if found is None:
        return frozenset()
    return frozenset((found["terms"] or PUBLIC[str(found["public"]).lower()]).lower().split("-"))


def _named_terms(name: str) -> tuple[frozenset[str], str | None]:
    """Return the terms and the version of a Creative Commons licence that is named, and nothing else beside it."""
    text = _words(name)
    bare = IN_BRACKETS.sub("", text)
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
    return re.sub(r"[\s_-]+", " ", name.lower()).strip()


def _name_of(text: str) -> str:
    return " ".join(URL.sub(" ", text).split())


def _plain(text: str) -> str:
    """Return a text as it is compared: without case, kinds of blanks and dashes, and what is the same of every URL."""
    return re.sub(r"[\s_-]+", "-", URL.sub(lambda found: LINK_ENDS.sub("", found[0]), text.strip()).casefold())
