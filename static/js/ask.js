// A small question in a modal dialog, used instead of confirm() and prompt(), which cannot be worded or styled.
// All words come from the caller.
import {make} from './common.js'

let count = 0

/**
 * Shows a question and resolves to {action, …field values}, or to null when it was cancelled.
 * actions: [{value, label, kind: 'primary'|'danger'|''}], the first one cancels, the last one is what Enter does.
 * fields:  [{name, label, type, value, min, max, inputmode, required, check}]; check(value) gives what is wrong, in words, or ''
 */
export function ask({title, text = '', fields = [], actions}) {
  const id = `ask-${++count}`
  const heading = make('h2', {id, text: title})
  const inputs = fields.map(fieldOf)
  const buttons = actions.map((action, index) => make('button', {
    value: index ? action.value : '', class: `btn ${action.kind ?? ''}`, text: action.label, formnovalidate: index < actions.length - 1,
  }))
  const form = make('form', {method: 'dialog', class: 'stack'}, heading)
  if (text) form.append(make('p', {text}))
  form.append(...inputs.map(input => input.box), make('div', {class: 'row'}, ...buttons))
  buttons[0].classList.add('push')

  const before = document.activeElement
  const dialog = make('dialog', {class: 'small', 'aria-labelledby': id}, form)
  document.body.append(dialog)
  form.addEventListener('submit', event => refuse(inputs, id, event))
  keepInside(dialog, form, buttons.at(-1))
  dialog.showModal()
  ;(inputs[0]?.control ?? buttons.at(-1)).focus()
  inputs[0]?.control.select?.()

  return new Promise(resolve => dialog.addEventListener('close', () => {
    const values = Object.fromEntries(inputs.map(({name, control}) => [name, control.type === 'checkbox' ? control.checked : control.value]))
    dialog.remove()
    before?.focus?.()
    resolve(dialog.returnValue ? {...values, action: dialog.returnValue} : null)
  }))
}

function fieldOf({name, label, type = 'text', value = '', check, ...rest}) {
  const control = make('input', {name, type, autocomplete: 'off', ...rest})
  if (type === 'checkbox') control.checked = value
  else control.value = value
  const box = type === 'checkbox'
    ? make('label', {class: 'check'}, control, label)
    : make('div', {class: 'field'}, make('label', {class: 'field'}, label, control))
  return {name, control, box, check}
}

/** What is wrong with a field is said beside it, and the question stays. */
function refuse(inputs, id, event) {
  if (event.submitter?.formNoValidate) return
  for (const {control, box, check} of inputs) {
    box.querySelector('.error')?.remove()
    box.classList.remove('invalid')
    for (const name of ['aria-invalid', 'aria-describedby']) control.removeAttribute(name)
    const problem = check?.(control.value)
    if (!problem || event.defaultPrevented) continue
    event.preventDefault()
    const words = `${id}-error`
    box.classList.add('invalid')
    box.append(make('p', {class: 'error', id: words, role: 'alert', text: problem}))
    control.setAttribute('aria-invalid', 'true')
    control.setAttribute('aria-describedby', words)
    control.focus()
  }
}

/** Enter means the last button, not the first as browsers would have it; events stay away from a form or dialog around. */
function keepInside(dialog, form, main) {
  form.addEventListener('keydown', event => {
    event.stopPropagation()
    if (event.key === 'Enter' && event.target.tagName === 'INPUT') {
      event.preventDefault()
      form.requestSubmit(main)
    }
  })
  for (const name of ['submit', 'input', 'change', 'cancel', 'close']) dialog.addEventListener(name, event => event.stopPropagation())
}
