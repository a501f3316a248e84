"""The graph in the language of Graphviz: `cellvisor graph storage --format dot | dot -Tpdf > storage.pdf`.

Solid arrows are rights; dashed ones say whom a cell must trust with more than its time.
"""

from __future__ import annotations

from collections.abc import Iterator

from hypervisor.core.trust import Hold
from hypervisor.shell.graph.gather import NodeKind, Picture
from hypervisor.shell.graph.text import word

SHAPES = {NodeKind.CELL: "box", NodeKind.DEVICE: "component", NodeKind.MEMORY: "cylinder"}


def as_dot(picture: Picture) -> str:
    """A directed graph."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield f"digraph {_quoted(picture.topology)} {{"
    yield f"  label={_quoted(f'{picture.topology} under {picture.flavour}')}; labelloc=t; fontname=Helvetica;"
    yield "  node [fontname=Helvetica]; edge [fontname=Helvetica, fontsize=10];"
    for node in picture.nodes:
        yield f"  {_quoted(node.name)} [shape={SHAPES[node.kind]}, label={_quoted(node.name, node.detail)}];"
    for edge in picture.edges:
        label = _quoted(edge.by, edge.rights.replace("+", ", "))
        yield f"  {_quoted(edge.cell)} -> {_quoted(edge.target)} [label={label}];"
    found = picture.trust[picture.flavour]
    for trust in () if isinstance(found, str) else (trust for trusts in found.values() for trust in trusts):
        if trust.hold > Hold.SERVICE:
            style = "style=dashed, color=firebrick, fontcolor=firebrick, constraint=false"
            label = _quoted(f"trusts with {word(trust.hold)}")
            yield f"  {_quoted(trust.cell)} -> {_quoted(trust.on)} [{style}, label={label}];"
    yield "}"


def _quoted(*lines: str) -> str:
    """Lines of text as one string of the language."""
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines if line]
    return '"' + "\\n".join(escaped) + '"'
