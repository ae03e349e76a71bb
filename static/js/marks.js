// "Mark done" and "Mark unread" of the inbox, beside the page: seen at once, and taken back with the reason where they are refused.
// The server answers with what a toast shows; its "Undo" goes the same way. live-inbox.js fetches this with the first mark, and hears
// by the event `marked` that the list is another one.
// Strings: close, mark_offline, mark_refused, mark_signed_out
import {formValues, wordsFor} from './common.js'
import {isOthers, request} from './request.js'
import {tell, toast} from './toast.js'

let under = 0 // how many are under way

const boxOf = line => line.querySelector('.pick :checked')

export default async function mark(form, submitter) {
  const lines = [...form.querySelectorAll('.work > li')].filter(boxOf)
  // the second of two presses: the first one has taken the ticks
  if (!lines.length && under) return
  const button = submitter ?? form.querySelector('[data-does=done]')
  const [address, next] = (button.getAttribute('formaction') ?? form.getAttribute('action')).split('#')
  // keys.js names there the line to go on with
  form.setAttribute('action', form.getAttribute('action').split('#')[0])
  const values = formValues(form, button)
  const takeBack = button.matches('[data-does=done]') ? done(form, lines, next) : unread(lines)
  under++
  button.setAttribute('aria-busy', 'true')
  const html = await send(form, address, values)
  if (!--under) button.removeAttribute('aria-busy')
  if (!html) return takeBack()
  for (const line of lines) if (line.hidden) line.remove()
  toast(html, wordsFor(form)('close'), undo => again(form, undo))
  changed(form)
}

/** What a toast offers goes the same way. */
async function again(form, undo) {
  const html = await send(form, undo.getAttribute('action'), formValues(undo))
  if (html) toast(html, wordsFor(form)('close'))
  changed(form)
}

/** What the server wrote; undefined where nothing was done, which is said. */
async function send(form, address, values) {
  const words = wordsFor(form)
  const say = key => { tell(words(key), words('close')) }
  try {
    const answer = await request(address, {method: 'POST', headers: {'X-Fragment': 1}, body: values})
    // that page is somebody else's now, and says so
    if (isOthers(answer)) return
    if (answer.redirected || answer.headers.has('X-Location')) return say('mark_signed_out')
    if (answer.status > 499) return say('mark_offline')
    if (!answer.ok) return say('mark_refused')
    return await answer.text()
  } catch {
    say('mark_offline')
  }
}

const changed = form => (form.isConnected ? form : document.querySelector('[data-live-inbox]'))?.dispatchEvent(new Event('marked', {bubbles: true}))

/** Lines that are done are out of the list, where it is one of what is to do. The focus goes on to the next line. */
function done(form, lines, next) {
  const ticks = lines.map(boxOf)
  for (const box of ticks) box.checked = false
  const focus = document.activeElement
  if (form.matches('[data-marks=leave]')) for (const line of lines) line.hidden = true
  const gone = focus.closest('.work > li[hidden]')
  const goal = next ? document.getElementById(next) : gone && neighbour(gone)
  goal?.focus()
  return () => {
    for (const line of lines) line.hidden = false
    for (const box of ticks) box.checked = true
    if (goal && focus.isConnected) focus.focus()
  }
}

/** What takes the focus from a line that goes: the same of the next line, or of the one before; else the page. */
function neighbour(line) {
  const all = [...line.parentElement.children].filter(one => !one.hidden || one === line)
  const at = all.indexOf(line)
  return (all[at + 1] ?? all[at - 1])?.querySelector('.pick input, a.item') ?? document.getElementById('main')
}

function unread(lines) {
  const fresh = lines.filter(line => !line.matches('.unread'))
  const ticks = lines.map(boxOf)
  for (const line of fresh) line.classList.add('unread')
  for (const box of ticks) box.checked = false
  return () => {
    for (const line of fresh) line.classList.remove('unread')
    for (const box of ticks) box.checked = true
  }
}
