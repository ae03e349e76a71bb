// What a message can hold. Nothing else can be typed, pasted or stored; the server's allow-list (src/text/html.rs) is equal.
// Tags: p br strong em u s sup sub code a ul ol li table tbody tr td th blockquote hr h3 h4. Alignment is a class, never a style.
import {Schema} from 'prosemirror-model'
import {tableNodes} from 'prosemirror-tables'

export const ALIGNMENTS = ['left', 'center', 'right', 'justify']
const SAFE_HREF = /^(https?:|mailto:|tel:)/i

export const isSafeHref = href => SAFE_HREF.test(href)

const alignAttr = {align: {default: null, validate: 'string|null'}}
const alignOf = element => ALIGNMENTS.find(side => element.classList.contains(`align-${side}`)) ?? null
const alignClass = node => (node.attrs.align ? {class: `align-${node.attrs.align}`} : {})

/** Browsers count rows and columns in a span up to 1000 and 65534; a page should not be made to. */
const span = value => Math.min(50, Math.max(1, Number(value) || 1))

function tables() {
  const nodes = tableNodes({
    tableGroup: 'block',
    cellContent: '(paragraph | heading | bullet_list | ordered_list | blockquote)+', // no table in a table
    cellAttributes: {align: {default: null, validate: 'string|null', getFromDOM: alignOf}},
  })
  for (const [name, tag] of [['table_cell', 'td'], ['table_header', 'th']]) {
    nodes[name].attrs.colwidth = {default: null}
    nodes[name].parseDOM = [{
      tag,
      getAttrs: cell => ({colspan: span(cell.getAttribute('colspan')), rowspan: span(cell.getAttribute('rowspan')), align: alignOf(cell), colwidth: null}),
    }]
    nodes[name].toDOM = cell => [tag, {...spans(cell), ...alignClass(cell)}, 0]
  }
  return nodes
}

const spans = cell => Object.fromEntries(['colspan', 'rowspan'].filter(name => cell.attrs[name] > 1).map(name => [name, cell.attrs[name]]))

/** A number that an attribute says. */
const numberIn = (element, attribute) => (/^\d{1,9}$/.test(element.getAttribute(attribute) ?? '') ? Number(element.getAttribute(attribute)) : null)

/** The number that the next item of a numbered list would have. */
export function nextNumber(list) {
  let next = list.attrs.start
  list.forEach(item => { next = (item.attrs.value ?? next) + 1 })
  return next
}

const plain = tag => ({parseDOM: [{tag}], toDOM: () => [tag, 0]})

export const schema = new Schema({
  nodes: {
    doc: {content: 'block+'},
    paragraph: {
      content: 'inline*', group: 'block', attrs: alignAttr,
      parseDOM: [{tag: 'p', getAttrs: element => ({align: alignOf(element)})}],
      toDOM: node => ['p', alignClass(node), 0],
    },
    heading: {
      content: 'inline*', group: 'block', defining: true,
      attrs: {level: {default: 3, validate: 'number'}, ...alignAttr},
      // the page's own headings are h1 and h2, so a message's begin at h3
      parseDOM: [1, 2, 3, 4, 5, 6].map(level => ({tag: `h${level}`, getAttrs: element => ({level: level > 3 ? 4 : 3, align: alignOf(element)})})),
      toDOM: node => [`h${node.attrs.level}`, alignClass(node), 0],
    },
    blockquote: {content: 'block+', group: 'block', defining: true, ...plain('blockquote')},
    horizontal_rule: {group: 'block', parseDOM: [{tag: 'hr'}], toDOM: () => ['hr']},
    bullet_list: {content: 'list_item+', group: 'block', ...plain('ul')},
    ordered_list: {
      content: 'list_item+', group: 'block', attrs: {start: {default: 1, validate: 'number'}},
      parseDOM: [{tag: 'ol', getAttrs: element => ({start: numberIn(element, 'start') ?? 1})}],
      toDOM: node => ['ol', node.attrs.start === 1 ? {} : {start: node.attrs.start}, 0],
    },
    list_item: {
      content: 'paragraph block*', defining: true,
      attrs: {value: {default: null, validate: 'number|null'}}, // a number that does not follow the one before it
      parseDOM: [{tag: 'li', getAttrs: element => ({value: numberIn(element, 'value')})}],
      toDOM: node => ['li', node.attrs.value === null ? {} : {value: node.attrs.value}, 0],
    },
    ...tables(),
    text: {group: 'inline'},
    hard_break: {inline: true, group: 'inline', selectable: false, linebreakReplacement: true, parseDOM: [{tag: 'br'}], toDOM: () => ['br']},
  },
  marks: {
    link: {
      attrs: {href: {validate: 'string'}}, inclusive: false,
      parseDOM: [{tag: 'a[href]', getAttrs: element => isSafeHref(element.getAttribute('href')) && {href: element.getAttribute('href')}}],
      toDOM: mark => ['a', {href: mark.attrs.href, rel: 'noopener noreferrer nofollow'}, 0],
    },
    strong: {parseDOM: [{tag: 'strong'}, {tag: 'b'}], toDOM: () => ['strong', 0]},
    em: {parseDOM: [{tag: 'em'}, {tag: 'i'}], toDOM: () => ['em', 0]},
    underline: {parseDOM: [{tag: 'u'}, {tag: 'ins'}], toDOM: () => ['u', 0]},
    strike: {parseDOM: [{tag: 's'}, {tag: 'del'}, {tag: 'strike'}], toDOM: () => ['s', 0]},
    superscript: {excludes: 'subscript superscript', ...plain('sup')},
    subscript: {excludes: 'subscript superscript', ...plain('sub')},
    code: plain('code'), // has no button; text that began as Markdown may hold it
  },
})
