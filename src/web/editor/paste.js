// Turns pasted HTML (Word, Google Docs, Outlook, web pages) into the tags of the schema.
//
// The trap: under style-src 'self' the browser empties every style attribute of HTML that it parses, and reports a
// violation for each. Google Docs wraps all it gives in <b style="font-weight:normal">, so everything would turn bold.
// So the attributes are renamed in the text, before anything parses it, and read back through the CSSOM, which is allowed.

const RENAMED = 'data-css'
const TAG = /<([a-z][^\s>/]*)((?:[^>"']|"[^"]*"|'[^']*')*)>/gi
const COMMENT = /<!--[\s\S]*?-->|<!\[[^\]]*\]>/g
const DROPPED_WITH_CONTENT = /<(style|script|xml|title|svg|math|iframe|object|template|noscript)\b[\s\S]*?<\/\1\s*>/gi
const DROPPED = /<(?:link|meta|base|img|input|embed)\b[^>]*>/gi
const HANDLER = /(^|[\s"'/])on[a-z]+\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi
const STYLE = /(^|[\s"'/])style\s*=/gi
const KEPT_ATTRIBUTES = new Set(['href', 'colspan', 'rowspan', 'start', 'value', 'class'])

export function cleanPaste(html) {
  if (/<[^>]*data-pm-slice/.test(html)) return html // from this editor: it has none of what follows
  const {body} = new DOMParser().parseFromString(withoutStyles(html), 'text/html')
  for (const element of [...body.querySelectorAll('*')]) if (isHidden(element)) element.remove()
  buildWordLists(body)
  for (const list of body.querySelectorAll('ol:has(> li[value])')) keepNumbers(list)
  for (const element of [...body.querySelectorAll('*')]) cleanElement(element)
  for (const anchor of body.querySelectorAll('a:not([href])')) anchor.replaceWith(...anchor.childNodes)
  return body.innerHTML
}

function withoutStyles(html) {
  return html.replace(COMMENT, '').replace(DROPPED_WITH_CONTENT, '').replace(DROPPED, '')
    .replace(TAG, (_, tag, attributes) => `<${tag}${attributes.replace(HANDLER, '$1').replace(STYLE, `$1${RENAMED}=`)}>`)
}

const scratch = document.createElement('span')

/** The element's former style attribute, parsed. Setting cssText from script is not what the policy forbids. */
function styleOf(element) {
  scratch.style.cssText = element.getAttribute(RENAMED) ?? ''
  const {fontWeight, fontStyle, textDecorationLine, textDecoration, textAlign, verticalAlign} = scratch.style
  return {
    bold: /^(bold|bolder|[6-9]\d\d)$/.test(fontWeight),
    notBold: /^(normal|[1-4]\d\d)$/.test(fontWeight),
    italic: fontStyle === 'italic',
    underline: /underline/.test(textDecorationLine || textDecoration),
    strike: /line-through/.test(textDecorationLine || textDecoration),
    align: textAlign || element.getAttribute('align'),
    raised: {super: 'sup', sub: 'sub'}[verticalAlign],
  }
}

/** What its own page does not show is not pasted as text. `mso-hide` is Word's, which no browser parses. */
function isHidden(element) {
  const css = element.getAttribute(RENAMED) ?? ''
  scratch.style.cssText = css
  const {display, visibility, fontSize, opacity} = scratch.style
  return element.hidden || display === 'none' || /^(hidden|collapse)$/.test(visibility) || /^0(\D|$)/.test(fontSize)
    || opacity === '0' || /mso-hide\s*:\s*(all|screen)/i.test(css)
}

function cleanElement(element) {
  const tag = element.tagName
  const style = styleOf(element)
  if (tag === 'B' && style.notBold) return element.replaceWith(...element.childNodes)
  if (style.bold && !/^(B|STRONG|H[1-6]|TH)$/.test(tag)) wrapContent(element, 'strong')
  if (style.italic && !/^(I|EM)$/.test(tag)) wrapContent(element, 'em')
  if (style.underline && !/^(A|U)$/.test(tag)) wrapContent(element, 'u')
  if (style.strike && !/^(S|DEL|STRIKE)$/.test(tag)) wrapContent(element, 's')
  if (style.raised && !/^(SUP|SUB|TD|TH|TR|TABLE|IMG)$/.test(tag)) wrapContent(element, style.raised)
  for (const {name} of [...element.attributes]) {
    if (!KEPT_ATTRIBUTES.has(name)) element.removeAttribute(name)
  }
  alignElement(element, style.align)
}

function alignElement(element, align) {
  const ours = [...element.classList].filter(name => /^align-(left|center|right|justify)$/.test(name))
  element.removeAttribute('class')
  const wanted = /^(center|right|justify)$/.test(align ?? '') ? [`align-${align}`] : ours
  if (wanted.length && /^(P|H[1-6]|DIV|LI|TD|TH)$/.test(element.tagName)) element.className = wanted[0]
}

/** Only around text: a <strong> around paragraphs would be dropped by the parser. */
function wrapContent(element, tag) {
  const blocks = [...element.children].filter(child => /^(P|DIV|UL|OL|TABLE|H[1-6])$/.test(child.tagName))
  for (const target of blocks.length ? blocks : [element]) {
    const wrapper = document.createElement(tag)
    wrapper.append(...target.childNodes)
    target.append(wrapper)
  }
}

/** Word writes list items as paragraphs that carry "mso-list: l0 level2 lfo1", with the bullet as text. */
function buildWordLists(body) {
  let open = [] // the lists that a next item may go into, outermost first
  for (const paragraph of [...body.querySelectorAll(`p[${RENAMED}*="mso-list"]`)]) {
    const level = Number(/mso-list:\s*l\d+\s+level(\d+)/i.exec(paragraph.getAttribute(RENAMED))?.[1])
    if (!level) continue
    const number = takeBullet(paragraph)
    if (number === null) {
      open = []
      continue
    }
    if (paragraph.previousElementSibling !== open[0]?.last) open = []
    while (open.length && open.at(-1).level > level) open.pop()
    if (!open.length || open.at(-1).level < level || open.at(-1).next !== number) openList(open, level, number, paragraph)
    const item = document.createElement('li')
    const {list} = open.at(-1)
    list.append(item)
    item.append(paragraph)
    if (number !== undefined) open.at(-1).next = number + 1
  }
}

/** A list for an item: in the item above it, behind the list before it whose number does not go on, or on its own. */
function openList(open, level, number, paragraph) {
  const list = document.createElement(number === undefined ? 'ul' : 'ol')
  if (number !== undefined && number !== 1) list.setAttribute('start', number)
  const before = open.at(-1)?.level === level ? open.pop() : null
  const parent = open.at(-1)?.list.lastElementChild
  if (parent) parent.append(list)
  else if (before) before.last.after(list)
  else paragraph.before(list)
  open.push({level, list, last: list, next: number})
}

/**
 * Takes the typed bullet away: gives the item's number, undefined for a bullet. null for what a list of ours cannot say
 * ("c)", "iv.", "2.1"): it stays, and so does the paragraph.
 */
function takeBullet(paragraph) {
  const bullet = paragraph.querySelector(`[${RENAMED}*="mso-list:Ignore" i]`)
  const text = (bullet?.textContent ?? '').replace(/[\s\u00a0]+/g, '')
  if (/^\(?[\da-z]{1,6}([.)-][\da-z]{1,6})*[.):]$|^\d+(\.\d+)+$/i.test(text) && !/^\d{1,9}[.)]$/.test(text)) {
    bullet.replaceWith(`${text} `)
    return null
  }
  bullet?.remove()
  return /^\d/.test(text) ? Number.parseInt(text, 10) : undefined
}

/** Items keep the numbers that do not follow from those before them. */
function keepNumbers(list) {
  let next = Number(list.getAttribute('start') ?? 1)
  for (const item of list.children) {
    const value = Number(item.getAttribute('value') ?? next)
    if (value === next) item.removeAttribute('value')
    next = value + 1
  }
}
