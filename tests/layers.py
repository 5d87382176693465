#!/usr/bin/env python3
"""Whether the sources include what docs/architecture.md ("Layers") allows, and nothing else.

  tests/layers.py               the tree against the two tables; a line for each thing that is wrong
  tests/layers.py --self-test   whether it notices each kind of it, in a small made-up tree

The first table has a row for each folder, lowest first. A folder may include what its
row names, and a row names only rows above it, so that there is no cycle. The second says
which places may name a library or a class. Both are as narrow as the truth: what is
allowed and not used is wrong too.
"""

import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = "docs/architecture.md"
ROOTS = ("sqlite_ext", "replicator", "tests/load/metad", "tests/load/generator")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)
STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.S)


def code_of(text):
    """Without comments, which may name what the code must not."""
    return STRING_OR_COMMENT.sub(lambda found: found[1] or "", text)


def tables_of(document):
    """The rows of the two tables of the section: [(folder, [may include])], [(name, [places])]."""
    section = re.search(r"^## Layers\n(.*?)(?=^## |\Z)", document, re.M | re.S)
    if not section:
        sys.exit(f"layers: no section \"Layers\" in {DOCUMENT}")
    tables = {"folder": [], "name": []}
    current = None
    for line in section[1].splitlines():
        if not line.startswith("|"):
            current = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if current is None:
            current = tables.get(cells[0])
            if current is None:
                sys.exit(f"layers: a table that begins with '{cells[0]}' is not one of those that are known")
        elif not set(line) <= set("|-: "):
            current.append((re.search("`([^`]+)`", cells[0])[1], re.findall("`([^`]+)`", cells[-1])))
    if not tables["folder"]:
        sys.exit(f"layers: no table of folders in {DOCUMENT}")
    return [(folder.rstrip("/"), names) for folder, names in tables["folder"]], tables["name"]


def sources_of(root):
    """{path: text} of all C++ files below the roots."""
    return {str(path.relative_to(root)): path.read_text()
            for folder in ROOTS
            for path in sorted((root / folder).rglob("*")) if path.suffix in (".cpp", ".h")}


def layer_of(path):
    """A folder is a layer, and so is a file that stands directly in replicator/."""
    folder = path.rpartition("/")[0]
    return path if folder == "replicator" else folder


def layer_problems(rows, sources):
    """What is wrong between the table of folders and the sources."""
    layers = {layer_of(path) for path in sources}
    listed = [folder for folder, _ in rows]
    short = {folder.rpartition("/")[2]: folder for folder in listed}
    for folder in listed:
        if listed.count(folder) > 1 or short[folder.rpartition("/")[2]] != folder:
            yield f"{folder}: two rows have this name"
        if folder not in layers:
            yield f"{folder}: a row, but no such folder with sources"
    for layer in sorted(layers - set(listed)):
        yield f"{layer}: a folder without a row"

    allowed = {}
    for place, (folder, names) in enumerate(rows):
        allowed[folder] = {short.get(name.rstrip("/"), name) for name in names}
        for other in sorted(allowed[folder] - set(listed[:place])):
            yield f"{folder}: may include {other}, which is no row above it"

    used = set()
    for path, text in sources.items():
        layer = layer_of(path)
        for quote, included in INCLUDE.findall(code_of(text)):
            if quote == "<":
                continue
            if included not in sources:
                yield f"{path}: includes \"{included}\", which is none of the sources"
                continue
            target = layer_of(included)
            used.add((layer, target))
            if target != layer and layer in allowed and target not in allowed[layer]:
                yield f"{path}: includes \"{included}\", but {layer} may not include {target}"
    for folder, others in allowed.items():
        for other in sorted(others):
            if folder in layers and other in layers and (folder, other) not in used:
                yield f"{folder}: may include {other}, and does not"


def cycle_problems(sources):
    """A way from a layer through includes back to itself."""
    arrows = {}
    for path, text in sources.items():
        for quote, included in INCLUDE.findall(code_of(text)):
            if quote == '"' and included in sources and layer_of(included) != layer_of(path):
                arrows.setdefault(layer_of(path), set()).add(layer_of(included))
    done = set()

    def visit(layer, way):
        if layer in way:
            yield "a cycle: " + " -> ".join([*way[way.index(layer):], layer])
            return
        if layer in done:
            return
        for other in sorted(arrows.get(layer, ())):
            yield from visit(other, [*way, layer])
        done.add(layer)

    for layer in sorted(arrows):
        yield from visit(layer, [])


def name_problems(rows, sources):
    """What is wrong between the table of names and the sources. A name in <> is of a
    header, or of the headers in a folder; another one is a word of the code."""
    for name, places in rows:
        if name.startswith("<"):
            pattern = re.compile(r"#\s*include\s*" + re.escape(name))
        else:
            pattern = re.compile(rf"\b{re.escape(name)}\b")
        used = set()
        for path, text in sources.items():
            if not pattern.search(code_of(text)):
                continue
            place = next((place for place in places if path == place or place.endswith("/") and path.startswith(place)), None)
            used.add(place)
            if place is None:
                yield f"{path}: may not name {name}"
        for place in places:
            if place not in used:
                yield f"{place}: may name {name}, and does not"


def problems(document, sources):
    folders, names = tables_of(document)
    return [*layer_problems(folders, sources), *cycle_problems(sources), *name_problems(names, sources)]


# The self-test's tree: what is right, and then one change for each thing that can be wrong.
DOCUMENT_RIGHT = """
## Layers

| folder | what it is | may include |
|---|---|---|
| `sqlite_ext/` | capture | nothing |
| `replicator/log/` | entries | nothing |
| `replicator/store/` | the file | `sqlite_ext`, `log` |
| `replicator/main.cpp` | the program | `store` |

| name | stands only in |
|---|---|
| `<nats.h>` | `replicator/log/` |
| `<curl/` | `replicator/store/file.cpp` |
| `JetStreamLog` | `replicator/log/jet.h`, `replicator/main.cpp` |

## More
"""
SOURCES_RIGHT = {
    "sqlite_ext/capture.h": "",
    "replicator/log/entry.h": "// JetStreamLog reads it. #include \"replicator/store/file.h\"\n",
    "replicator/log/jet.h": "#include <nats.h>\nclass JetStreamLog;\n",
    "replicator/store/file.h": '#include "replicator/log/entry.h"\n',
    "replicator/store/file.cpp": 'auto url = "a://b"; /* <nats.h> */\n\n#include <curl/curl.h>\n\n'
                                 '#include "sqlite_ext/capture.h"\n',
    "replicator/main.cpp": '#include "replicator/store/file.h"\nJetStreamLog log;\n',
}


def with_row(row, before="| `replicator/main.cpp`"):
    return DOCUMENT_RIGHT.replace(before, f"{row}\n{before}", 1)


def changed(path, text):
    return {**SOURCES_RIGHT, path: SOURCES_RIGHT.get(path, "") + text}


MISTAKES = {
    "an arrow that is not allowed": (
        DOCUMENT_RIGHT, changed("replicator/main.cpp", '#include "sqlite_ext/capture.h"\n'),
        'replicator/main.cpp: includes "sqlite_ext/capture.h", but replicator/main.cpp may not include sqlite_ext'),
    "an arrow upward": (
        DOCUMENT_RIGHT, changed("replicator/log/entry.h", '  #  include "replicator/store/file.h"\n'),
        'replicator/log/entry.h: includes "replicator/store/file.h", but replicator/log may not include replicator/store'),
    "a cycle": (
        DOCUMENT_RIGHT, changed("replicator/log/entry.h", '#include "replicator/store/file.h"\n'),
        "a cycle: replicator/log -> replicator/store -> replicator/log"),
    "a cycle that the table allows": (
        DOCUMENT_RIGHT.replace("| entries | nothing |", "| entries | `store` |"),
        changed("replicator/log/entry.h", '#include "replicator/store/file.h"\n'),
        "replicator/log: may include replicator/store, which is no row above it"),
    "a folder without a row": (
        DOCUMENT_RIGHT, changed("replicator/fold/fold.h", ""), "replicator/fold: a folder without a row"),
    "a file in replicator/ without a row": (
        DOCUMENT_RIGHT, changed("replicator/other.cpp", ""), "replicator/other.cpp: a folder without a row"),
    "a row without a folder": (
        with_row("| `replicator/fold/` | merging | nothing |"), SOURCES_RIGHT,
        "replicator/fold: a row, but no such folder with sources"),
    "two rows of one folder": (
        with_row("| `replicator/log/` | entries | nothing |"), SOURCES_RIGHT, "replicator/log: two rows have this name"),
    "an arrow that nobody uses": (
        DOCUMENT_RIGHT.replace("| the program | `store` |", "| the program | `store`, `log` |"), SOURCES_RIGHT,
        "replicator/main.cpp: may include replicator/log, and does not"),
    "a layer that does not exist": (
        DOCUMENT_RIGHT.replace("| the program | `store` |", "| the program | `store`, `fold` |"), SOURCES_RIGHT,
        "replicator/main.cpp: may include fold, which is no row above it"),
    "a header that does not exist, or is included by half its path": (
        DOCUMENT_RIGHT, changed("replicator/store/file.cpp", '#include "entry.h"\n'),
        'replicator/store/file.cpp: includes "entry.h", which is none of the sources'),
    "a library's header elsewhere": (
        DOCUMENT_RIGHT, changed("replicator/store/file.h", "#include <nats.h>\n"),
        "replicator/store/file.h: may not name <nats.h>"),
    "a header out of a library's folder elsewhere": (
        DOCUMENT_RIGHT, changed("replicator/store/file.h", "#include <curl/easy.h>\n"),
        "replicator/store/file.h: may not name <curl/"),
    "a class elsewhere": (
        DOCUMENT_RIGHT, changed("replicator/store/file.h", "void f(JetStreamLog&);\n"),
        "replicator/store/file.h: may not name JetStreamLog"),
    "a place that does not name what it may": (
        DOCUMENT_RIGHT, {**SOURCES_RIGHT, "replicator/main.cpp": '#include "replicator/store/file.h"\n'},
        "replicator/main.cpp: may name JetStreamLog, and does not"),
}


def self_test():
    """Every mistake must be found by its words, and nothing in the tree without one."""
    failed = []
    found = problems(DOCUMENT_RIGHT, SOURCES_RIGHT)
    if found:
        failed.append(f"finds {found} where nothing is wrong")
    for what, (document, sources, expected) in MISTAKES.items():
        with tempfile.TemporaryDirectory() as root:
            for path, text in sources.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            found = problems(document, sources_of(pathlib.Path(root)))
        if expected not in found:
            failed.append(f"does not notice {what}: finds {found}")
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        found = problems((ROOT / DOCUMENT).read_text(), sources_of(ROOT))
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
