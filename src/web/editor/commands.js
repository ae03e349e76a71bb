// What the buttons and keys do, as ProseMirror commands, and how a button knows that it is pressed.
import {TextSelection} from 'prosemirror-state'
import {chainCommands, createParagraphNear, lift, liftEmptyBlock, setBlockType, splitBlockAs, wrapIn} from 'prosemirror-commands'
import {liftListItem, sinkListItem, splitListItem, wrapInList} from 'prosemirror-schema-list'
import {addRowAfter, goToNextCell, isInTable} from 'prosemirror-tables'
import {schema} from './schema.js'

const {nodes, marks} = schema
const LISTS = [nodes.bullet_list, nodes.ordered_list]

export function hasMark(type) {
  return state => {
    const {from, to, empty, $from} = state.selection
    return empty ? Boolean(type.isInSet(state.storedMarks ?? $from.marks())) : state.doc.rangeHasMark(from, to, type)
  }
}

function closest(state, matches) {
  const {$from} = state.selection
  for (let depth = $from.depth; depth > 0; depth--) {
    if (matches($from.node(depth))) return $from.node(depth)
  }
}

export const inList = type => state => closest(state, node => LISTS.includes(node.type))?.type === type
export const inQuote = state => Boolean(closest(state, node => node.type === nodes.blockquote))
export const inHeading = state => state.selection.$from.parent.type === nodes.heading

/** Off: out of the list. In a list of the other kind: that list changes its kind. */
export function toggleList(type) {
  return (state, dispatch) => {
    const list = closest(state, node => LISTS.includes(node.type))
    if (list?.type === type) return liftListItem(nodes.list_item)(state, dispatch)
    if (!list) return wrapInList(type)(state, dispatch)
    const {$from} = state.selection
    for (let depth = $from.depth; depth > 0; depth--) {
      if ($from.node(depth) === list) dispatch?.(state.tr.setNodeMarkup($from.before(depth), type))
    }
    return true
  }
}

export const toggleHeading = (state, dispatch) => setBlockType(inHeading(state) ? nodes.paragraph : nodes.heading)(state, dispatch)
export const toggleQuote = (state, dispatch) => (inQuote(state) ? lift(state, dispatch) : wrapIn(nodes.blockquote)(state, dispatch))
export const indent = sinkListItem(nodes.list_item)
export const outdent = liftListItem(nodes.list_item)

function alignable(state) {
  const blocks = []
  for (const {$from, $to} of state.selection.ranges) {
    state.doc.nodesBetween($from.pos, $to.pos, (node, position) => {
      if (node.isTextblock && 'align' in node.attrs) blocks.push({node, position})
    })
  }
  return blocks
}

export function isAligned(side) {
  return state => {
    const blocks = alignable(state)
    return blocks.length > 0 && blocks.every(({node}) => node.attrs.align === side)
  }
}

/** Pressed again it takes the alignment away: the text's own direction decides then. */
export function align(side) {
  return (state, dispatch) => {
    const to = isAligned(side)(state) ? null : side
    const {tr} = state
    for (const {node, position} of alignable(state)) tr.setNodeMarkup(position, null, {...node.attrs, align: to})
    if (tr.docChanged) dispatch?.(tr)
    return tr.docChanged
  }
}

export function insertTable(rows, columns, header) {
  return (state, dispatch) => {
    if (isInTable(state)) return false
    const row = type => nodes.table_row.create(null, Array.from({length: columns}, () => type.createAndFill()))
    const all = Array.from({length: rows}, (_, index) => row(header && index === 0 ? nodes.table_header : nodes.table_cell))
    const table = nodes.table.create(null, all)
    if (dispatch) {
      const tr = state.tr.replaceSelectionWith(table)
      dispatch(tr.setSelection(TextSelection.near(tr.doc.resolve(positionOf(tr, table) + 1))).scrollIntoView())
    }
    return true
  }
}

function positionOf(tr, wanted) {
  let at = tr.selection.from
  tr.doc.descendants((node, position) => {
    if (node === wanted) at = position
    return node !== wanted
  })
  return at
}

const insertBreak = (state, dispatch) => {
  dispatch?.(state.tr.replaceSelectionWith(nodes.hard_break.create()).scrollIntoView())
  return true
}

/** Enter keeps the alignment and the marks in use, as word processors do; a heading is followed by a paragraph. */
const split = splitBlockAs(node => ({type: node.type === nodes.heading ? nodes.paragraph : node.type, attrs: {align: node.attrs.align}}))
const splitKeepingMarks = (state, dispatch) => split(state, dispatch && (tr => {
  const kept = state.storedMarks ?? (state.selection.$to.parentOffset ? state.selection.$from.marks() : [])
  dispatch(tr.ensureMarks(kept.filter(mark => mark.type !== marks.link)))
}))

/** Tab in the last cell makes a row, as in Word. Outside tables and lists Tab leaves the editor, as on every page. */
const nextCell = chainCommands(goToNextCell(1), (state, dispatch, view) => {
  if (!isInTable(state)) return false
  addRowAfter(state, dispatch)
  return goToNextCell(1)(view.state, dispatch)
})

export const writingKeys = {
  Enter: chainCommands(splitListItem(nodes.list_item, {value: null}), createParagraphNear, liftEmptyBlock, splitKeepingMarks),
  'Shift-Enter': insertBreak,
  Tab: chainCommands(nextCell, indent),
  'Shift-Tab': chainCommands(goToNextCell(-1), outdent),
}
