// A web or email address becomes a link when a space, Enter or a mark of punctuation and a space follow it.
// It works on the document's change, not on the key: phone keyboards send no usable key events.
import {Fragment, Slice} from 'prosemirror-model'
import {Plugin} from 'prosemirror-state'
import {findAddresses} from './addresses.js'
import {schema} from './schema.js'

const OBJECT = '\ufffc' // stands for a line break or anything else that is not text

/** The range that the transactions changed, in positions of the last document; null when none. */
function changedRange(transactions) {
  let from = Infinity
  let to = -1
  transactions.forEach((transaction, index) => transaction.mapping.maps.forEach((map, step) => map.forEach((_a, _b, start, end) => {
    const later = [transaction.mapping.slice(step + 1), ...transactions.slice(index + 1).map(other => other.mapping)]
    for (const mapping of later) {
      start = mapping.map(start, -1)
      end = mapping.map(end, 1)
    }
    from = Math.min(from, start)
    to = Math.max(to, end)
  })))
  return to < 0 ? null : {from, to}
}

/** Typing may go on inside an address until something else follows it, or the caret leaves the paragraph (Enter). */
const isFinished = (text, found, caretIsHere) => !caretIsHere || tailEnd(text, found) < text.length

/** Where the punctuation behind an address ends. */
const tailEnd = (text, found) => found.to + /^[.,;:!?'*)\]]*/.exec(text.slice(found.to))[0].length

export function autolink() {
  const {link} = schema.marks
  return new Plugin({
    appendTransaction(transactions, before, state) {
      const skip = transactions.some(one => one.getMeta('history$') || one.getMeta('noAutolink'))
      const changed = !skip && !before.doc.eq(state.doc) && changedRange(transactions)
      if (!changed) return null
      const {tr} = state
      const from = Math.max(0, changed.from - 1)
      const to = Math.min(state.doc.content.size, changed.to + 1)
      state.doc.nodesBetween(from, to, (node, position) => {
        if (!node.isTextblock) return true
        const text = node.textBetween(0, node.content.size, null, OBJECT)
        const caretIsHere = state.selection.$from.parent === node
        for (const found of findAddresses(text)) {
          const start = position + 1 + found.from
          const end = position + 1 + found.to
          const touched = position + 1 + tailEnd(text, found) >= from && end <= to
          if (touched && isFinished(text, found, caretIsHere) && !state.doc.rangeHasMark(start, end, link)) {
            tr.addMark(start, end, link.create({href: found.href}))
          }
        }
        return false
      })
      return tr.docChanged ? tr.removeStoredMark(link) : null
    },
  })
}

/** Addresses in pasted text become links at once. */
export function linkSlice(slice) {
  return new Slice(linkFragment(slice.content), slice.openStart, slice.openEnd)
}

function linkFragment(fragment) {
  return Fragment.fromArray(fragment.content.flatMap(node => {
    if (!node.isText) return [node.copy(linkFragment(node.content))]
    return schema.marks.link.isInSet(node.marks) ? [node] : linkText(node)
  }))
}

function linkText(node) {
  const pieces = []
  let at = 0
  for (const found of findAddresses(node.text)) {
    if (found.from > at) pieces.push(node.cut(at, found.from))
    const mark = schema.marks.link.create({href: found.href})
    pieces.push(node.cut(found.from, found.to).mark(mark.addToSet(node.marks)))
    at = found.to
  }
  if (at < node.text.length) pieces.push(node.cut(at))
  return pieces
}
