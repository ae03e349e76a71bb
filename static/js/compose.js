// Hook: form[data-compose]: the rich text editor on its textarea[data-rich].
//
// data-rich="lazy": the editor is fetched when the field is first used; a page that is only read stays light. Where the address leads to
// the form (#write), it has the focus at once.
// textarea data-html: the text so far, where body_format was html. A hidden input named body_format becomes `html`.
// [data-plain-hint] (the Markdown hint and preview button) is removed, as the editor needs neither.
// data-compose="blanks": gaps may stay, as in a template.
// An empty text, and {{placeholders}} that nobody filled in, refuse the submit: the message goes to [data-error] in the
// textarea's .field (made where missing). The server checks both again.
// A form that changes a message which goes out later (input name=scheduled) is saved by its buttons alone: whoever leaves it with
// unsaved words is asked first. data-unsaved: it came with words that were typed before.
// form.richText (html, insert, replace, empty, focus; for mention.js view and step) is for template-picker.js and tests;
// form.openEditor() waits until it is there.
// Strings: body_empty, body_unfilled {names}, and those of the editor (src/web/editor/index.js)
import {ask} from './ask.js'
import {icon, make, stylesheet, wordsFor} from './common.js'

export default async function compose(form) {
  const scheduled = form.querySelector('input[name=scheduled]')
  if (scheduled) keepFromLeaving(form, 'unsaved' in scheduled.dataset)
  showWhatOpens(form)
  const textarea = form.querySelector('textarea[data-rich]')
  if (!textarea) return
  let started
  form.openEditor = focus => started ??= start(form, textarea, focus)
  if (textarea.dataset.rich !== 'lazy') return form.openEditor()
  if (location.hash === '#write') return form.openEditor(true)
  textarea.addEventListener('focus', () => form.openEditor(true), {once: true})
}

function keepFromLeaving(form, unsaved) {
  for (const name of ['input', 'change']) form.addEventListener(name, () => { unsaved = true })
  addEventListener('submit', event => { if (event.target === form && !event.defaultPrevented && !event.submitter?.formTarget) unsaved = false })
  addEventListener('beforeunload', event => { if (unsaved && form.isConnected) event.preventDefault() })
}

/** A fold that is opened is brought into sight, also above a foot that stays. */
function showWhatOpens(form) {
  // what comes open with the page may tell so later, and moves nothing: a notice above it would be out of sight
  const open = new Set(form.querySelectorAll('details[open]'))
  form.addEventListener('toggle', event => {
    if (!open.delete(event.target) && event.target.open) event.target.scrollIntoView({block: 'nearest'})
  }, true)
}

async function start(form, textarea, focus) {
  // its own looks come with it: no other page carries them
  const [{richText}] = await Promise.all([import('../dist/editor.js'), stylesheet('../css/editor.css')])
  const words = wordsFor(textarea)
  // what was typed before the editor was there
  if (textarea.dataset.rich === 'lazy' && textarea.value !== textarea.defaultValue) textarea.dataset.html = paragraphs(textarea.value)
  const editor = richText(textarea, {
    ask, icon, make, words,
    onChange() {
      clearError(textarea, editor)
      textarea.dispatchEvent(new Event('input', {bubbles: true}))
    },
  })
  form.richText = editor
  form.querySelectorAll('[data-plain-hint]').forEach(hint => hint.remove())
  form.closest('.window-content')?.addEventListener('teardown', () => editor.destroy())
  if (focus) editor.focus()
  form.addEventListener('submit', event => {
    if (event.submitter?.formNoValidate) return
    const problem = problemOf(editor, words, form.dataset.compose === 'blanks')
    if (!problem) return
    event.preventDefault()
    showError(textarea, editor, problem)
  })
  document.addEventListener('click', event => { // links of the error summary lead to the hidden textarea
    if (!event.target.closest?.(`a[href="#${textarea.id}"]`) || !editor.dom.isConnected) return
    event.preventDefault()
    editor.focus()
  })
}

/** Plain text as the editor reads it: nothing in it is markup. */
function paragraphs(text) {
  return text.split('\n').map(line => make('p', {text: line}).outerHTML).join('')
}

function problemOf(editor, words, blanksAreFine) {
  if (editor.empty) return words('body_empty')
  const names = blanksAreFine ? [] : editor.unfilled
  return names.length ? words('body_unfilled', {names: names.join(', ')}) : ''
}

function showError(textarea, editor, text) {
  const field = textarea.closest('.field')
  let error = field.querySelector('[data-error]')
  if (!error) {
    error = make('p', {class: 'error', id: `${textarea.id}-problem`, 'data-error': true})
    editor.dom.parentElement.before(error)
  }
  error.setAttribute('role', 'alert')
  error.textContent = text
  field.classList.add('invalid')
  editor.setInvalid(true, error.id)
  editor.focus()
  error.scrollIntoView({block: 'nearest'}) // above a long text it may be out of sight
}

function clearError(textarea, editor) {
  const field = textarea.closest('.field')
  const error = field.querySelector('[data-error]')
  if (!error?.textContent) return
  error.textContent = ''
  field.classList.remove('invalid')
  editor.setInvalid(false)
}
