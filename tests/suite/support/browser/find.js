// Finds what a person would find, by the words on the page. Each function gives an element, or a sentence on what is
// there instead. Run by browser/mod.rs, which puts a call behind this text.

const words = text => (text ?? '').replace(/\s+/g, ' ').trim()
const isVisible = element => element.checkVisibility({visibilityProperty: true}) && element.getClientRects().length > 0
const isToggle = element => element.matches('input[type=checkbox], input[type=radio]')

// an open modal dialog makes the rest of the page inert
const scope = () => [...document.querySelectorAll('dialog:modal')].pop() ?? document
const all = css => [...scope().querySelectorAll(css)]

function only(found, what, wanted, others) {
  const elements = [...new Set(found)]
  if (elements.length === 1) return elements[0]
  if (elements.length > 1) return `${elements.length} ${what} called "${wanted}"`
  return `no ${what} called "${wanted}"; there are: ${[...new Set(others)].filter(Boolean).map(o => `"${o}"`).join(', ') || 'none'}`
}

function visible(css) {
  return [...document.querySelectorAll(css)].find(isVisible) ?? `nothing visible at ${css}`
}

// a label without the control inside it, and without the marks that some put behind the words
const labelText = label => {
  const copy = label.cloneNode(true)
  copy.querySelectorAll('input, select, textarea, script, style, svg').forEach(e => e.remove())
  return words(copy.textContent).replace(/\s*[*:]$/, '')
}
const labelsOf = control => {
  const ids = (control.getAttribute('aria-labelledby') ?? '').split(/\s+/).filter(Boolean)
  return [...(control.labels ?? []), ...ids.map(id => document.getElementById(id))].filter(label => label && isVisible(label))
}
const controls = () =>
  all('input:not([type=hidden], [type=submit], [type=button], [type=reset], [type=image]), select, textarea, [role=textbox], [role=combobox], [contenteditable=true]')
    .filter(control => isVisible(control) || isToggle(control) || control.type === 'file')

function control(wanted) {
  const labelled = controls().map(control => [control, labelsOf(control).map(labelText)])
  const found = labelled.filter(([, labels]) => labels.includes(wanted)).map(([control]) => control)
  return only(found, 'controls', wanted, labelled.flatMap(([, labels]) => labels))
}

// the label of the control with this label
function label(wanted) {
  const found = control(wanted)
  return typeof found === 'string' ? found : labelsOf(found).find(label => labelText(label) === wanted)
}

const CLICKABLE = 'a[href], button, summary, input[type=submit], input[type=button], input[type=reset], [role=button], [role=link], [role=menuitem], [role=menuitemcheckbox], [role=menuitemradio], [role=option], [role=tab]'

function clickable(wanted) {
  const names = element => [element.innerText, element.getAttribute('aria-label'), element.matches('input') ? element.value : ''].map(words).filter(Boolean)
  const there = all(CLICKABLE).filter(isVisible).map(element => [element, names(element)])
  const found = there.filter(([, names]) => names.includes(wanted)).map(([element]) => element)
  return only(found, 'buttons or links', wanted, there.map(([, names]) => names[0]))
}

function kind(control) {
  if (isToggle(control)) return 'toggle'
  if (control.matches('select')) return 'select'
  if (control.type === 'file') return 'file'
  return ['date', 'time', 'datetime-local', 'month', 'week', 'color', 'range'].includes(control.type) ? 'exact' : 'text'
}

// What keys can't set independent of the browser's language; gives a sentence if it can't be set.
function set(control, kind, value) {
  if (control.disabled) return 'is disabled'
  if (kind === 'select') {
    const wanted = value.split('\n').map(words)
    const options = [...control.options].filter(option => !option.disabled)
    const missing = wanted.filter(w => !options.some(option => words(option.text) === w))
    if (missing.length) return `no option "${missing}"; there are: ${options.map(option => words(option.text)).join(', ')}`
    for (const option of options) option.selected = wanted.includes(words(option.text))
  } else {
    control.value = value
    if (control.value !== value) return `does not take "${value}"`
  }
  control.dispatchEvent(new Event('input', {bubbles: true}))
  control.dispatchEvent(new Event('change', {bubbles: true}))
  return null
}

function value(control) {
  if (isToggle(control)) return control.checked ? 'on' : 'off'
  if (control.matches('select')) return [...control.selectedOptions].map(option => words(option.text)).join('\n')
  return control.value ?? control.innerText
}
