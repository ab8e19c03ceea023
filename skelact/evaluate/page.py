"""The parts of a result page, and the page as HTML text: self-contained, escaped, light and dark."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text (escaped; empty lines begin a new paragraph)."""

    text: str


@dataclass(frozen=True)
class Cards:
    """Figures to be seen first: (name, value, a few words or '')."""

    cards: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Table:
    """A table; numbers are aligned right. ``bars`` names columns of shares 0..1 drawn as bars too."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    bars: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A PNG file, embedded in the page; a ``photo`` keeps its colours where the page is dark, drawings are inverted.

    On a phone drawings keep a width at which their words can be read, and scroll; ``small`` ones fit the page.
    """

    path: str | Path
    caption: str = ""
    photo: bool = False
    small: bool = False


@dataclass(frozen=True)
class Code:
    """Text in fixed width: a command, a configuration."""

    text: str


Block = Text | Cards | Table | Picture | Code


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; ``folded`` sections open on a click."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    folded: bool = False


_CSS = """
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5c6b7a;--page:#f5f7f9;--card:#fff;--line:#dde3e9;
--accent:#0072b2;--bar:#0072b222}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa8b5;--page:#14191f;--card:#1c232b;
--line:#323c47;--accent:#56b4e9;--bar:#56b4e933}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:27px;margin:0 0 2px;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 12px}
.soft{color:var(--soft)}
header{margin-bottom:22px}
section,details{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:18px 20px;margin:0 0 18px;overflow-x:auto}
summary{font-size:18px;font-weight:700;cursor:pointer}
details[open]>summary{margin-bottom:12px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(135px,1fr));gap:12px;margin:0 0 12px}
.card{border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card b{display:block;font-size:25px;line-height:1.25;color:var(--accent);
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.card small{color:var(--soft);display:block}
figure{margin:0 0 14px}
figure img{max-width:100%;height:auto;background:#fff;border-radius:8px;display:block;margin:0 auto}
@media (prefers-color-scheme:dark){figure img:not(.photo){filter:invert(.89) hue-rotate(180deg)}}
figcaption{color:var(--soft);font-size:14px;margin-top:6px;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:left;overflow-wrap:break-word;max-width:24em}
th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
pre{background:var(--page);border:1px solid var(--line);border-radius:8px;padding:10px 12px;
overflow-x:auto;font-size:13px;margin:0 0 12px;white-space:pre-wrap;overflow-wrap:anywhere}
p{margin:0 0 10px}
@media (max-width:700px){main{padding:18px 10px 40px}section,details{padding:14px 12px}.card{padding:10px 11px}
.card b{font-size:22px}figure{overflow-x:auto}figure img:not(.photo,.small){max-width:none;width:660px}
figcaption{position:sticky;left:0}th,td{padding:5px 8px}}
"""


def plain_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        if value == int(value) and abs(value) >= 1000:
            return f"{int(value):,}"
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, (int, np.integer)) and abs(value) >= 10_000 else str(value)


def _table(block: Table) -> str:
    def is_number(column: int) -> bool:
        values = [r[column] for r in block.rows]
        return bool(values) and all(isinstance(v, (int, float, np.number, type(None))) for v in values)

    numeric = [is_number(i) for i in range(len(block.columns))]
    out = ["<table><thead><tr>"]
    for name, n in zip(block.columns, numeric, strict=True):
        out.append(f"<th{' class=n' if n else ''}>{escape(str(name))}</th>")
    out.append("</tr></thead><tbody>")
    for row in block.rows:
        out.append("<tr>")
        for name, value, n in zip(block.columns, row, numeric, strict=True):
            style = ""
            if name in block.bars and isinstance(value, (int, float, np.number)) and np.isfinite(value):
                share = 100 * min(1.0, max(0.0, float(value)))
                bar = f"linear-gradient(90deg,var(--bar) {share:.1f}%,transparent {share:.1f}%)"
                style = f' style="background:{bar}"'
            out.append(f"<td{' class=n' if n else ''}{style}>{escape(plain_text(value))}</td>")
        out.append("</tr>")
    return "".join(out) + "</tbody></table>"


def _picture(block: Picture) -> str:
    try:
        data = Path(block.path).read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the picture {block.path} for the report: {error.strerror or error}"
        ) from error
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise DataError(f"the picture {block.path} is no PNG file; reports embed PNG only")
    caption = f"<figcaption>{escape(block.caption)}</figcaption>" if block.caption else ""
    code = base64.b64encode(data).decode("ascii")
    kind = " class=photo" if block.photo else " class=small" if block.small else ""
    return f'<figure><img{kind} alt="{escape(block.caption)}" src="data:image/png;base64,{code}">{caption}</figure>'


def _block(block: Block) -> str:
    match block:
        case Text(text):
            return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n") if part.strip())
        case Cards(cards):
            return (
                '<div class="cards">'
                + "".join(
                    f'<div class="card">{escape(name)}<b>{escape(value)}</b>'
                    f"<small>{escape(note)}</small></div>"
                    for name, value, note in cards
                )
                + "</div>"
            )
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
    raise DataError(f"a report section cannot hold a {type(block).__name__}")


def render_page(
    title: str, sections: Sequence[Section], subtitle: str, command: str, created: datetime.datetime | None
) -> str:
    """The whole page as HTML text, pictures embedded; the arguments are those of `report.write_report`."""
    when = (created or datetime.datetime.now().astimezone()).strftime("%Y-%m-%d %H:%M %Z").strip()
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width,initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_CSS}</style></head><body><main>",
        f"<header><h1>{escape(title)}</h1>",
        f"<div class=soft>{escape(subtitle)}</div>" if subtitle else "",
        f"<div class=soft>{escape(when)}</div>",
        f"<pre>{escape(command)}</pre>" if command else "",
        "</header>",
    ]
    for section in sections:
        body = "".join(_block(b) for b in section.blocks)
        if section.folded:
            parts.append(f"<details><summary>{escape(section.title)}</summary>{body}</details>")
        else:
            parts.append(f"<section><h2>{escape(section.title)}</h2>{body}</section>")
    parts.append("</main></body></html>\n")
    return "".join(parts)
