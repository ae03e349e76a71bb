// Shared by every module: the page's words, the live region, small element helpers.
//
// Words. No text that a person can read is written in JavaScript: pages exist in several languages.
// An attribute data-strings='{"key":"text with {name}"}' holds them, on the hook itself or on any element around it
// (the nearest one that has the key wins), so one attribute on <body> or on the form serves everything inside.

/** A function that gives the text for a key as seen from `element`, with {name} filled in. Missing keys give ''. */
export function wordsFor(element) {
  return (key, values = {}) => {
    const found = lookUp(element, key) ?? ''
    return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole)
  }
}

const parsed = new WeakMap()

function lookUp(element, key) {
  for (let holder = element?.closest('[data-strings]'); holder; holder = holder.parentElement?.closest('[data-strings]')) {
    if (!parsed.has(holder)) parsed.set(holder, JSON.parse(holder.dataset.strings))
    const text = parsed.get(holder)[key]
    if (text !== undefined) return text
  }
}

/** Creates an element: make('button', {type: 'button', class: 'btn', text: '…'}, child, …). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') element.textContent = value
    else if (value === true) element.setAttribute(name, '')
    else if (value !== false && value != null) element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}

/** The sprite lies beside this module in the same hashed tree, so no page needs to name it. */
const SPRITE = new URL('../dist/icons.svg', import.meta.url).pathname

/** An icon of the sprite, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  use.setAttribute('href', `${SPRITE}#${name}`)
  svg.append(use)
  return svg
}

/** Tells screen readers. The region sits in the open dialog, as everything outside a modal one is inert and unheard. */
export function say(text) {
  const place = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body
  let region = place.querySelector(':scope > .say')
  if (!region) place.append(region = make('div', {class: 'say sr', role: 'status'}))
  region.textContent = ''
  setTimeout(() => { region.textContent = text }, 50) // a change after the region exists, or it is not announced
}

/** Folded for searching: no accents, no capitals. */
export const fold = text => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()

/** The form's values as the server wants them, without files (those have their own requests). */
export function formValues(form, submitter) {
  const values = new URLSearchParams()
  for (const [name, value] of new FormData(form, submitter)) {
    if (typeof value === 'string') values.append(name, value)
  }
  return values
}

const stylesheets = new Map()

// Adds a stylesheet to the page, once, and waits until it is there; one that cannot be had holds nothing up.
export function stylesheet(path) {
  if (!stylesheets.has(path)) {
    stylesheets.set(path, new Promise(there => {
      const link = make('link', {rel: 'stylesheet', href: new URL(path, import.meta.url).href})
      link.addEventListener('load', there)
      link.addEventListener('error', there)
      document.head.append(link)
    }))
  }
  return stylesheets.get(path)
}
