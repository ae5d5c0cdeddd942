"""Pandoc's Lua filter, and its template for the pages of a PDF."""

from __future__ import annotations

from typing import Any

# Runs inside pandoc. It drops elements that the new format does not support, and lists them on standard error.
FILTER = r"""
local textual = FORMAT:match("^gfm") or FORMAT == "rst" or FORMAT == "plain"
local typst = FORMAT == "typst"
local settable = {["image/png"]=1, ["image/jpeg"]=1, ["image/gif"]=1, ["image/svg+xml"]=1, ["image/webp"]=1}
local bare, verbatim = false, false
local longest = 4000 -- bytes of a link; typst refuses much longer ones

local function say(word, what) io.stderr:write("[" .. word .. "] " .. what:sub(1, 80):gsub("%s+", " ") .. "\n") end

local function inside(el)
  if el.src:match("^data:") then
    local known, kind, bytes = pcall(pandoc.mediabag.fetch, el.src)
    if not known or not bytes then return nil end
    local name = pandoc.utils.sha1(bytes) .. "." .. (kind:match("^image/(%a+)") or "bin")
    pandoc.mediabag.insert(name, kind, bytes)
    el.src = name
    return kind
  end
  return (pandoc.mediabag.lookup(el.src))
end

local function image(el)
  if textual and not el.src:match("^data:") and not pandoc.mediabag.lookup(el.src) then return nil end
  local kind = inside(el)
  if kind and not textual and not (typst and (bare or not settable[kind])) then return el end
  if FORMAT:match("^html") and el.src:match("^https?:") then
    say("LOST", el.src)
    return pandoc.Link(el.caption, el.src)
  end
  say("LOST", (el.src:gsub("^.*/", "")))
  return el.caption
end

local function figure(el)
  local pictures = 0
  el:walk({Image = function() pictures = pictures + 1 end})
  if pictures == 0 then return el.content end
end

local function raw(el)
  if verbatim then return el.t == "RawInline" and pandoc.Str(el.text) or pandoc.Para({pandoc.Str(el.text)}) end
  if el.format == "html" and (FORMAT:match("^gfm") or FORMAT:match("^html")) then return nil end
  if not (el.format == "html" and el.text:match("^%s*</?%a")) and not el.text:match("^%s*<!%-%-") then say("RAW", el.format) end
  if el.format == "html" and el.text:match("^%s*<[bB][rR]") then return el.t == "RawInline" and pandoc.LineBreak() or {} end
  return {}
end

-- Pandoc writes attributes typst:... and the first class of code into Typst as they are, where they would run as its code.
local function plain(attr)
  local kept = {}
  for _, name in ipairs({"width", "height"}) do
    local value = attr.attributes[name]
    if value and value:match("^[%d.]+%%?%a*$") then kept[name] = value end
  end
  return pandoc.Attr("", attr.classes:filter(function(word) return word:match("^[%w_+-]+$") end), kept)
end

local function defused(el)
  el.attr = plain(el.attr)
  return el
end

local function rows_defused(rows)
  for _, row in ipairs(rows) do
    row.attr = plain(row.attr)
    for _, cell in ipairs(row.cells) do cell.attr = plain(cell.attr) end
  end
end

local function table_defused(el)
  for _, part in ipairs({el.head, el.foot}) do
    part.attr = plain(part.attr)
    rows_defused(part.rows)
  end
  for _, body in ipairs(el.bodies) do
    body.attr = plain(body.attr)
    rows_defused(body.head)
    rows_defused(body.body)
  end
  return defused(el)
end

-- Typst refuses a link to a label that is not there, and pandoc writes none for some elements. So each target of a link gets a
-- label of its own, with a number for its name, and a link without a target becomes plain text.
local function linked(doc)
  local wanted, places, count = {}, {}, 0
  doc:walk({Link = function(el) wanted[el.target:match("^#(.+)$") or ""] = true end})
  local function label(el, kind)
    local id = el.identifier
    if id == "" or not wanted[id] or places[id] then return nil end
    count = count + 1
    places[id] = "place-" .. count
    return kind("typst", "#metadata(none) <" .. places[id] .. ">")
  end
  local function inline(el)
    local made = label(el, pandoc.RawInline)
    return made and {made, el} or nil
  end
  local function block(el)
    local made = label(el, pandoc.RawBlock)
    return made and {made, el} or nil
  end
  local function heading(el)
    local made = label(el, pandoc.RawInline)
    if made then el.content:insert(made) end
    return el
  end
  local function link(el)
    local target = el.target:match("^#(.*)$")
    if el.target == "" or #el.target > longest or (target and not places[target]) then
      say("LINK", el.target)
      return el.content
    end
    if target then el.target = "#" .. places[target] end
    return el
  end
  doc = doc:walk({
    Span = inline, Code = inline, Image = inline, Link = inline, Header = heading,
    Div = block, CodeBlock = block, Figure = block, Table = block
  })
  return doc:walk({Link = link})
end

function Pandoc(doc)
  bare, verbatim = doc.meta.no_pictures, doc.meta.raw_is_text
  if not doc.meta.title and FORMAT:match("^epub") then doc.meta.title = doc.meta.title_if_none end
  if FORMAT:match("^html") then doc.meta.pagetitle = pandoc.utils.stringify(doc.meta.title or doc.meta.title_if_none) end
  doc.meta.title_if_none, doc.meta.no_pictures, doc.meta.raw_is_text = nil, nil, nil
  doc = doc:walk({RawBlock = raw, RawInline = raw, Image = image}):walk({Figure = figure})
  if typst then
    doc = linked(doc)
    doc = doc:walk({
      Code = defused, CodeBlock = defused, Div = defused, Figure = defused, Header = defused, Image = defused,
      Link = defused, Span = defused, Table = table_defused
    })
  end
  return doc
end
"""

_PAGE = """#set page(paper: "{page_size}", flipped: {landscape}, margin: {margin_mm}mm, numbering: "1")
#set text(size: {font_size}pt)
#set par(justify: true)
#show table: set par(justify: false)
#set heading(numbering: {numbering})
#set table(inset: 5pt, stroke: 0.5pt + luma(180))
#show figure.where(kind: table): set block(breakable: true)
#set table.cell(breakable: false)
{report}#set image(width: auto)
#show heading: set block(above: 1.4em, below: 0.8em)
#show raw.where(block: true): it => block(width: 100%, inset: 8pt, fill: luma(245), it)
#show link: underline
#let horizontalrule = line(start: (25%, 0%), end: (75%, 0%))
#let divider = horizontalrule
#let blockquote(body) = [#set text(size: 0.92em); #block(inset: (left: 1.5em, top: 0.2em, bottom: 0.2em))[#body]]
#let endnote(num, contents) = [#stack(dir: ltr, spacing: 3pt, super[#num], contents)]
$if(title)$
#align(center)[#text(size: 1.7em, weight: "bold")[$title$]
$for(author)$
#linebreak()$author$
$endfor$
$if(date)$
#linebreak()$date$
$endif$]
#v(1em)
$endif$
$if(toc)$
#outline(depth: 3)
#pagebreak()
$endif$
$body$
"""


# A report: wide tables without boxes, and where figures lead, the first table as one line of large figures.
_REPORT = """#set text(hyphenate: false)
#set table(stroke: (x, y) => (bottom: (paint: luma(if y == 0 { 120 } else { 215 }), thickness: 0.5pt)), inset: (x: 6pt, y: 5pt))
#show table.cell.where(y: 0): set text(fill: luma(90), size: 0.9em)
#show table: it => if it.columns.len() > 1 and it.columns.all(one => one == auto) {
  table(columns: (auto,) + (1fr,) * (it.columns.len() - 1), align: it.align, ..it.children)
} else { it }
"""
_LED = """#show figure.where(kind: table): it => context {
  if counter(figure.where(kind: table)).get().first() == 1 {
    set table(stroke: none, inset: (x: 0pt, y: 3pt))
    set table.hline(stroke: none)
    show table: it => if it.columns.all(one => one == auto) {
      table(columns: (1fr,) * it.columns.len(), align: left, ..it.children)
    } else { it }
    show table.cell.where(y: 0): set text(fill: black, size: 1.9em, weight: "bold")
    show table.cell.where(y: 1): set text(fill: luma(90), size: 0.9em)
    it
  } else { it }
}
"""


def page(options: dict[str, Any]) -> str:
    """Pandoc's template for a PDF. The options are validated numbers and choices."""
    return _PAGE.format(
        report=(_REPORT if options.get("report") else "") + (_LED if options.get("led") else ""),
        page_size=options.get("page_size", "a4"),
        landscape=str(options.get("landscape", False)).lower(),
        margin_mm=options.get("margin_mm", 25),
        font_size=options.get("font_size", 11),
        numbering='"1.1"' if options.get("number_sections") else "none",
    )
