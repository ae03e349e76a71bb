// {{placeholders}} that nobody filled in: marked in the text, and the reason why a message is not sent (compose.js).
import {Plugin} from 'prosemirror-state'
import {Decoration, DecorationSet} from 'prosemirror-view'

const PLACEHOLDER = /\{\{[^{}]*\}\}/g

/** [{from, to, text}] in positions of the document. A placeholder may run through several marks. */
function find(doc) {
  const found = []
  doc.descendants((node, position) => {
    if (!node.isTextblock) return true
    const text = node.textBetween(0, node.content.size, null, '\ufffc')
    for (const match of text.matchAll(PLACEHOLDER)) {
      const from = position + 1 + match.index
      found.push({from, to: from + match[0].length, text: match[0]})
    }
    return false
  })
  return found
}

export const unfilled = doc => [...new Set(find(doc).map(one => one.text))]

const decorate = doc => DecorationSet.create(doc, find(doc).map(({from, to}) => Decoration.inline(from, to, {class: 'unfilled'})))

export function placeholders() {
  return new Plugin({
    state: {
      init: (_, state) => decorate(state.doc),
      apply: (transaction, shown) => (transaction.docChanged ? decorate(transaction.doc) : shown),
    },
    props: {
      decorations(state) {
        return this.getState(state)
      },
    },
  })
}
