"""The documents of the wire are those of the declarations, and what cites them cites what is there."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.declarations import every_message, fields_of
from support.declared_words import sentence_of, sentences_of, summary_of
from support.wire_tables import (
    BY_TYPE,
    GRAMMARS,
    extension_names,
    messages_in,
    objects,
    objects_in,
    written,
)

from omnyshell.errors import ErrorCodes
from omnyshell.model import grammars
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol import extensions
from omnyshell.protocol.messages.base import Way

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = [DOCS / "protocol.md", DOCS / "extensions.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_declarations(page: Path) -> None:
    wanted = written(page.read_text(encoding="utf-8"))
    if "OMNYSHELL_UPDATE_DOCS" in os.environ:
        page.write_text(wanted, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == wanted, "`make docs-tables` writes it anew"


def test_every_message_and_object_is_described_once() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert sorted(messages_in(text)) == sorted(BY_TYPE)
    assert sorted(objects_in(text)) == sorted(objects())


def test_each_declaration_and_each_field_has_its_sentence() -> None:
    declared = [*every_message(), *objects().values()]
    fields = [field for owner in declared for field in fields_of(owner)]
    assert [str(one) for one in fields if not is_sentence(sentence_of(one.owner, one.field.name))] == []
    assert [owner.__name__ for owner in declared if not is_sentence(summary_of(owner))] == []


def test_each_message_says_who_sends_it_to_whom() -> None:
    assert {declared.TYPE for declared in every_message() if not isinstance(declared.WAY, Way)} == set()


def test_each_code_grammar_and_extension_has_its_sentence() -> None:
    said = {
        **sentences_of(ErrorCodes),
        **sentences_of(CloseReason),
        **sentences_of(grammars),
        **sentences_of(extensions),
    }
    names = [one.name for enum in (ErrorCodes, CloseReason) for one in enum]
    names += [name for name in GRAMMARS if not name.endswith("_OR_NONE")]
    assert [name for name in (*names, *extension_names()) if not is_sentence(said.get(name, ""))] == []


def test_each_extension_that_a_field_names_is_one() -> None:
    known = {getattr(extensions, name) for name in extension_names()}
    for declared in (*every_message(), *objects().values()):
        for field in fields_of(declared):
            named = re.match(r"Of `([^`]+)`: ", sentence_of(declared, field.field.name))
            assert named is None or named[1] in known, str(field)


def test_what_is_cited_of_the_documents_is_there() -> None:
    cited = [*citations_in_code(), *links_of_documents()]
    assert len(cited) > 100
    assert [f"{where}: {page}#{anchor}" for where, page, anchor in cited if not is_there(page, anchor)] == []


def test_sections_are_cited_of_published_documents_alone() -> None:
    published = re.compile(r"RFC|X\.690|its specification")
    for path in sorted((ROOT / "omnyshell").rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"\bsections? \d", line):
                assert published.search(line), f"{path.name}: {line.strip()}"


def citations_in_code() -> Iterator[tuple[str, str, str]]:
    for folder in ("omnyshell", "tests", "bench", "soak"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for page, anchor in re.findall(r"docs/([\w-]+\.md)(?:#([\w-]+))?", path.read_text(encoding="utf-8")):
                yield str(path.relative_to(ROOT)), page, anchor


def links_of_documents() -> Iterator[tuple[str, str, str]]:
    for path in sorted(DOCS.glob("*.md")):
        for page, anchor in re.findall(r"\]\(([\w-]+\.md)?(?:#([\w-]+))?\)", path.read_text(encoding="utf-8")):
            yield path.name, page or path.name, anchor


def is_there(page: str, anchor: str) -> bool:
    return (DOCS / page).exists() and (not anchor or anchor in anchors_of(page))


def anchors_of(page: str) -> list[str]:
    """The anchors that a page's headings get where Markdown is shown; one that comes again gets a number."""
    text = re.sub(r"```.*?```", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        again = found.count(anchor)
        found.append(f"{anchor}-{again}" if again else anchor)
    return found


def is_sentence(text: str) -> bool:
    return len(text) > 3 and not text[0].islower() and text.endswith(".")
