"""Licences: the eight of COCO classified by hand, other spellings, and what a list of allowed ones lets through."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curation.dataset.licenses import (
    LicenseRules,
    allowed_rows,
    flagged_counts,
    license_text,
    licenses_of,
    row_licenses,
    terms_of,
)

COMMONS = "http://creativecommons.org/licenses"
COCO = [
    (f"Attribution-NonCommercial-ShareAlike License {COMMONS}/by-nc-sa/2.0/", "CC BY-NC-SA 2.0", True, False),
    (f"Attribution-NonCommercial License {COMMONS}/by-nc/2.0/", "cc-by-nc", True, False),
    (f"Attribution-NonCommercial-NoDerivs License {COMMONS}/by-nc-nd/2.0/", "CC_BY_NC_ND", True, True),
    (f"Attribution License {COMMONS}/by/2.0/", "CC-BY-2.0", False, False),
    (f"Attribution-ShareAlike License {COMMONS}/by-sa/2.0/", "creativecommons.org/licenses/by-sa/2.0", False, False),
    (f"Attribution-NoDerivs License {COMMONS}/by-nd/2.0/", "attribution-noderivs license", False, True),
    ("No known copyright restrictions http://flickr.com/commons/usage/", "No known*", False, False),
    ("United States Government Work http://www.usa.gov/copyright.shtml", "usa.gov/copyright.shtml", False, False),
]  # fmt: skip
"""The licences of instances_train2017.json in their order, a name that means each alone, is it NC, is it ND."""


@pytest.mark.parametrize(("text", "name", "is_nc", "is_nd"), COCO)
def test_the_licences_of_coco_are_what_a_person_reads_in_them(text: str, name: str, is_nc: bool, is_nd: bool) -> None:
    terms = terms_of(text)
    assert (terms.non_commercial, terms.no_derivatives) == (is_nc, is_nd)
    allowed = [other for other, *_ in COCO if LicenseRules(allow=(name,)).allows(other)]
    assert allowed == [text]
    assert LicenseRules(allow=(text,)).allows(text)


@pytest.mark.parametrize(
    ("text", "is_nc", "is_nd"),
    [
        ("Creative Commons Attribution-NonCommercial 4.0 International", True, False),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/legalcode", True, True),
        ("CC-BY-NC-SA-4.0", True, False),
        ("by-nd", False, True),
        ("CC BY\u2011ND 4.0", False, True),
        ("CC BY \u2013 ND", False, True),
        ("\uff22\uff39-\uff2e\uff24", False, True),
        ("non\u2010commercial", True, False),
        ("CC BY 4.0 NC ND", True, True),
        ("CC BYNCND", True, True),
        ("CC BY (NC)", True, False),
        ("NonCommercial", True, False),
        ("for research purposes only", True, False),
        ("Not for commercial use", True, False),
        ("CelebAMask-HQ", True, False),
        ("Attribution, no derivatives", False, True),
        ("CC0 1.0 Universal", False, False),
        ("MIT", False, False),
        ("Handy licence of Sandra Conde", False, False),
        (f"CC BY 4.0 {COMMONS}/by-nc/4.0/", True, False),
    ],
)
def test_restrictions_are_read_in_names_and_links(text: str, is_nc: bool, is_nd: bool) -> None:
    assert (terms_of(text).non_commercial, terms_of(text).no_derivatives) == (is_nc, is_nd)


@pytest.mark.parametrize(
    ("entry", "text", "is_allowed"),
    [
        ("CC BY", "Creative Commons Attribution 4.0 International (CC BY 4.0)", True),
        ("CC BY 4.0", "CC BY 3.0", False),
        ("CC BY", "CC BY https://example.org/terms", False),
        ("CC BY", "CC BY 4.0 (www.example.org/creativecommons.org/licenses/by/4.0/)", False),
        ("CC BY", "CC BY http://creativecommons.org.example.org/licenses/by/4.0/", False),
        ("CC BY https://example.org/terms", "CC BY https://example.org/terms", True),
        ("MIT", "MIT https://opensource.org/license/mit", True),
        ("CC BY", "CC BY-NC 4.0", False),
        ("CC BY", "CC BY 4.0 (non-commercial)", False),
        ("CC BY", "CC BY (NC)", False),
        ("CC BY", "CC BY (for members)", False),
        ("CC BY", "https://creativecommons.org/licenses/by%2Dnd/2.0/", False),
        ("CC BY-NC", "CC BY\u2011NC", True),
        ("CC BY", f"CC BY 4.0 {COMMONS}/by-nc/4.0/", False),
        ("CC BY 4.0", f"CC BY 4.0 {COMMONS}/by-nc/4.0/", False),
        ("CC BY", "Photo by John, attribution required", False),
        ("CC0", "CC0 1.0 Universal https://creativecommons.org/publicdomain/zero/1.0/deed.en", True),
        ("mit", "MIT", True),
        ("MIT", "MIT-0", False),
        ("My * licence", "my own licence", True),
        ("[a]*", "a", False),
    ],
)
def test_an_entry_means_one_licence(entry: str, text: str, is_allowed: bool) -> None:
    assert LicenseRules(allow=(entry,)).allows(text) is is_allowed


def test_a_row_holds_one_line_that_can_be_printed() -> None:
    assert license_text("CC\n BY\x1b[31m", id_="1", source="coco/x") == "CC BY\\x1b[31m"
    assert license_text(" ", id_="1", source="coco/x") == license_text(None, id_="1", source="coco/x")
    assert len(license_text("a" * 9999, id_="1", source="coco/x")) == 1000


@pytest.mark.parametrize("text", [None, "", "unknown", "unknown (id 3 of coco/x)"])
def test_what_is_not_known_is_allowed_only_where_that_is_said(text: str | None) -> None:
    assert not LicenseRules(allow=("*",)).allows(text)
    assert LicenseRules(allow=("MIT",), unknown=True).allows(text)


@pytest.mark.parametrize("allow", [(), ("",), ("MIT", " ")])
def test_rules_that_allow_nothing_are_refused(allow: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="allow must name"):
        LicenseRules(allow=allow)


def test_a_fused_sample_needs_every_one_of_its_licences() -> None:
    rows = [
        {"license": "MIT + CC0", "foreground_id": "a", "foreground_license": "MIT", "background_license": "CC0"},
        {"license": "MIT + unknown", "foreground_id": "a", "foreground_license": "MIT", "background_license": None},
        {"license": "MIT"},
        {"license": "MIT + CC0 + CC BY-NC", "foreground_id": "a", "foreground_license": "MIT"}
        | {"background_license": "CC0", "second_id": "b", "second_license": "CC BY-NC"},
    ]
    table = pa.Table.from_pylist([{"background_id": "x", "second_id": None, "second_license": None} | r for r in rows])
    assert row_licenses(table)[1] == ("MIT", None)
    assert [len(licenses_of(row)) for row in table.to_pylist()] == [2, 2, 1, 3]

    def kept(*allow: str, unknown: bool = False) -> list[str]:
        found: list[str] = allowed_rows(table, rules=LicenseRules(allow=allow, unknown=unknown))["license"].to_pylist()
        return found

    assert kept("MIT") == ["MIT"]
    assert kept("MIT", "CC0") == ["MIT + CC0", "MIT"]
    assert kept("MIT", "CC0", unknown=True) == ["MIT + CC0", "MIT + unknown", "MIT"]
    assert allowed_rows(table, rules=None) is table
    assert flagged_counts(row_licenses(table)) == {"non_commercial": 1, "no_derivatives": 0}
    assert len(allowed_rows(table.slice(0, 0), rules=LicenseRules(allow=("MIT",)))) == 0
