-- A filter of pandoc. Markdown's tables have one line of text in a cell and no merged cells; what does not fit is changed here, since
-- pandoc writes the word [TABLE] instead of a table that it cannot write.

local MOST = 600 -- characters of a cell; a longer one is a part of a page that a table only places

local function space() return pandoc.Space() end

local function one_line(blocks)
  local function items(list)
    local paragraphs = pandoc.Blocks({})
    for _, item in ipairs(list.content) do paragraphs:insert(pandoc.Para(pandoc.utils.blocks_to_inlines(item, {pandoc.Space()}))) end
    return paragraphs
  end
  local flat = pandoc.Blocks(blocks):walk({BulletList = items, OrderedList = items})
  local inlines = pandoc.utils.blocks_to_inlines(flat, {pandoc.Space()})
  return pandoc.Inlines(inlines):walk({LineBreak = space, SoftBreak = space})
end

local function all_rows(el)
  local rows = pandoc.List()
  rows:extend(el.head.rows)
  for _, body in ipairs(el.bodies) do
    rows:extend(body.head)
    rows:extend(body.body)
  end
  rows:extend(el.foot.rows)
  return rows
end

-- A table that places the parts of a page, or has a single row or column: its cells one after the other say as much.
local function is_layout(rows, width)
  if width < 2 then return true end
  for _, row in ipairs(rows) do
    for _, cell in ipairs(row.cells) do
      for _, block in ipairs(cell.contents) do
        if block.t == "Table" or block.t == "Header" or block.t == "CodeBlock" or block.t == "HorizontalRule" then return true end
      end
      if utf8.len(pandoc.utils.stringify(cell.contents)) > MOST then return true end
    end
  end
  return false
end

local function in_sequence(el, rows)
  local blocks = pandoc.Blocks(el.caption.long)
  for _, row in ipairs(rows) do
    for _, cell in ipairs(row.cells) do
      for _, block in ipairs(cell.contents) do
        blocks:insert(block.t == "Plain" and pandoc.Para(block.content) or block)
      end
    end
  end
  return blocks
end

-- The rows as lists of cells, all as long as the table is wide. A merged cell's text stands in its first place.
local function grid(rows, width)
  local lines, taken = {}, {}
  for number, row in ipairs(rows) do
    lines[number] = {}
    for column = 1, width do lines[number][column] = pandoc.Blocks({}) end
    local column = 1
    for _, cell in ipairs(row.cells) do
      while taken[number .. ":" .. column] do column = column + 1 end
      if column > width then break end
      lines[number][column] = pandoc.Blocks({pandoc.Plain(one_line(cell.contents))})
      for below = number, math.min(number + cell.row_span - 1, #rows) do
        for right = column, math.min(column + cell.col_span - 1, width) do taken[below .. ":" .. right] = true end
      end
      column = column + cell.col_span
    end
  end
  return lines
end

function Table(el)
  local rows, width = all_rows(el), #el.colspecs
  if #rows == 0 then return pandoc.Blocks(el.caption.long) end
  if is_layout(rows, width) then return in_sequence(el, rows) end
  local lines = grid(rows, width)
  local header = table.remove(lines, 1)
  local aligns, widths = {}, {}
  for column = 1, width do
    aligns[column], widths[column] = "AlignDefault", 0
  end
  local simple = pandoc.SimpleTable({}, aligns, widths, header, lines)
  local blocks = pandoc.Blocks(el.caption.long)
  blocks:insert(pandoc.utils.from_simple_table(simple))
  return blocks
end
