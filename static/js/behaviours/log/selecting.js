// Where the selection of the browser begins and ends in a list of rows, counted in characters of a row: rows come and go,
// and are drawn anew.

// The row in which a place of the page is, and how many characters of it stand before; nothing outside of the rows.
export function pointIn(rows, node, offset) {
  if (!node || !rows.contains(node)) return null;
  if (node === rows) {
    const behind = rows.childNodes[offset];
    return behind ? { row: behind, offset: 0 } : lastPoint(rows);
  }
  let row = node;
  while (row.parentNode !== rows) row = row.parentNode;
  const before = document.createRange();
  before.setStart(row, 0);
  before.setEnd(node, offset);
  return { row, offset: before.toString().length };
}

function lastPoint(rows) {
  const row = rows.lastChild;
  return row && { row, offset: row.textContent.length };
}

// Both ends of the selection, each a point or nothing.
export function ends(rows) {
  const selection = document.getSelection();
  if (!selection?.rangeCount) return null;
  return {
    anchor: pointIn(rows, selection.anchorNode, selection.anchorOffset),
    focus: pointIn(rows, selection.focusNode, selection.focusOffset),
  };
}

// Puts the ends that were in rows which are drawn anew where they were; `rowOf` knows the new row by the old one.
export function restore({ anchor, focus }, rowOf) {
  const selection = document.getSelection();
  const place = (point, node, offset) => {
    const row = point && rowOf(point.row);
    return row ? placeIn(row, point.offset) : [node, offset];
  };
  selection.setBaseAndExtent(
    ...place(anchor, selection.anchorNode, selection.anchorOffset),
    ...place(focus, selection.focusNode, selection.focusOffset),
  );
}

// The node and offset of the page that is so many characters into a row.
export function placeIn(row, offset) {
  const texts = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (left <= node.length) return [node, left];
    left -= node.length;
  }
  return [row, row.childNodes.length];
}
