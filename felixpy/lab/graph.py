"""A topology as SVG (one file, no network, no script) and as Mermaid text. Pure."""

from html import escape

from felixpy.lab import layout
from felixpy.lab.images import Program
from felixpy.lab.topology import Topology

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 130, 48, 60, 110, 30  # pixels
FILLS = {
    Program.FELIXPY: "#dbeafe", Program.FRR: "#fde68a", Program.BIRD: "#fde68a", Program.GOBGP: "#fde68a",
    Program.PLAIN: "#f1f5f9",
}  # fmt: skip


def mermaid(topology: Topology) -> str:
    """A Mermaid flowchart, as GitHub renders it."""
    places = {name: f"n{place}" for place, name in enumerate(topology.nodes)}
    lines = [f"%% {topology.name}", "graph TD"]
    for name, place in places.items():
        lines.append(f'  {place}["{_quoted(name)}<br/>{layout.runs(topology, name)}"]')
    near, far = layout.edges(topology)
    for edge in (*near, *far):
        label = _quoted(f"{edge.upper.interface} - {edge.lower.interface}")
        lines.append(f'  {places[edge.upper.node]} ---|"{label}"| {places[edge.lower.node]}')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;")


def svg(topology: Topology) -> str:
    """One SVG document."""
    layers = layout.layers(topology)
    widest = max(len(layer) for layer in layers)
    width = 2 * MARGIN + widest * (WIDTH + ACROSS) - ACROSS
    height = 2 * MARGIN + len(layers) * (HEIGHT + DOWN) - DOWN
    centres = {}
    for row, layer in enumerate(layers):
        left = (width - (len(layer) * (WIDTH + ACROSS) - ACROSS)) // 2
        for column, name in enumerate(layer):
            centres[name] = (
                left + column * (WIDTH + ACROSS) + WIDTH // 2, MARGIN + row * (HEIGHT + DOWN) + HEIGHT // 2,
            )  # fmt: skip
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{escape(topology.name)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        *_lines(topology, centres),
        *(_box(topology, name, *centre) for name, centre in centres.items()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lines(topology: Topology, centres: dict[str, tuple[int, int]]) -> list[str]:
    """Links below the boxes, the interface's name near each end."""
    parts = []
    for edge in [edge for part in layout.edges(topology) for edge in part]:
        (x1, y1), (x2, y2) = centres[edge.upper.node], centres[edge.lower.node]
        parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#475569" stroke-width="1.5"/>')
        for end, (ax, ay), (bx, by) in ((edge.upper, (x1, y1), (x2, y2)), (edge.lower, (x2, y2), (x1, y1))):
            x, y = ax + (bx - ax) * 0.3, ay + (by - ay) * 0.3 + 4
            parts.append(
                f'<text x="{x:.0f}" y="{y:.0f}" font-size="10" fill="#475569" text-anchor="middle" '
                f'stroke="white" stroke-width="3" paint-order="stroke">{escape(end.interface)}</text>'
            )
    return parts


def _box(topology: Topology, name: str, x: int, y: int) -> str:
    fill = FILLS[topology.nodes[name].program]
    return (
        f'<g><rect x="{x - WIDTH // 2}" y="{y - HEIGHT // 2}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{fill}" stroke="#334155"/>'
        f'<text x="{x}" y="{y - 3}" text-anchor="middle" font-weight="bold">{escape(name)}</text>'
        f'<text x="{x}" y="{y + 14}" text-anchor="middle" font-size="11">{layout.runs(topology, name)}</text></g>'
    )
