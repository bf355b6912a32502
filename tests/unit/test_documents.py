"""Documents and code agree: what is quoted is there, and what is cited exists."""

import ast
import inspect
import re
import subprocess
import textwrap
from pathlib import Path

import omnyshell

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CITED = re.compile(r"\bdocs/([\w-]+\.md)(#[\w-]+)?")


def anchors_of(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", *patterns], capture_output=True, text=True)
    if listed.returncode:
        return [path for pattern in patterns for path in ROOT.glob(f"omnyshell/**/{pattern}")]
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def test_what_the_document_on_embedding_quotes_is_in_an_example_or_its_test() -> None:
    sources = [*EXAMPLES, ROOT / "tests/integration/embedding/test_examples.py"]
    code = "\n".join(path.read_text() for path in sources)
    quoted = FENCE.findall((ROOT / "docs/embedding.md").read_text())
    assert len(quoted) >= len(EXAMPLES)
    indented = {block: [textwrap.indent(block, " " * depth) for depth in range(0, 20, 4)] for block in quoted}
    assert [block for block, forms in indented.items() if not any(form in code for form in forms)] == []


def test_the_document_on_embedding_leads_to_every_example() -> None:
    text = (ROOT / "docs/embedding.md").read_text()
    assert [path.name for path in EXAMPLES if f"(../examples/{path.name})" not in text] == []


def test_examples_use_public_names_alone() -> None:
    for path in EXAMPLES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("omnyshell"):
                assert node.module == "omnyshell", path.name


def test_the_reference_has_each_public_name_once() -> None:
    listed = re.findall(r"^::: omnyshell\.(\w+)$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(omnyshell.__all__)


def test_the_site_has_each_document_once() -> None:
    listed = re.findall(r"^ +- (?:[\w ]+: )?(docs/[\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))


def test_what_the_architecture_names_is_there() -> None:
    spans = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs/architecture.md").read_text()))
    code = "\n".join(path.read_text() for path in (ROOT / "omnyshell").rglob("*.py"))
    defined = set(re.findall(r"^class (\w+)", code, re.MULTILINE))
    classes = {span.partition(".")[0] for span in spans if re.fullmatch(r"[A-Z]\w*[a-z]\w*(\.\w+)?", span)}
    assert sorted(classes - defined) == []
    members = {span.partition(".")[2] for span in spans if re.fullmatch(r"[A-Z]\w*[a-z]\w*\.\w+", span)}
    assert [name for name in sorted(members) if f"def {name}(" not in code] == []
    files = {span for span in spans if re.fullmatch(r"[\w/]+(\.py|/)", span)}
    places = [ROOT, ROOT / "omnyshell", *(ROOT / "omnyshell").rglob("*/")]
    assert sorted(name for name in files if not any((place / name).exists() for place in places)) == []


def test_what_code_cites_of_the_documents_exists() -> None:
    broken = []
    for path in tracked("*.py", "*.md", "*.toml", "Makefile"):
        for name, anchor in CITED.findall(path.read_text()):
            document = ROOT / "docs" / name
            if not document.exists() or (anchor and anchor not in anchors_of(document)):
                broken.append(f"{path.relative_to(ROOT)}: docs/{name}{anchor}")
    assert broken == []


def test_each_public_name_says_what_it_is() -> None:
    silent = []
    for name in omnyshell.__all__:
        public = getattr(omnyshell, name)
        members = vars(public) if inspect.isclass(public) else {}
        methods = {key: each for key, each in members.items() if key[0] != "_" and inspect.isfunction(each)}
        described = {name: public} if inspect.isclass(public) or inspect.isfunction(public) else {}
        silent += [f"{name}.{key}" for key, each in (described | methods).items() if not inspect.getdoc(each)]
    assert silent == []
