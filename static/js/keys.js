// The keys of <body data-keys="j=next,g i=inbox,…">: that table, and the page that explains it (/keys), are made from one on the server.
// clinic.js fetches this with the first key that is pressed.
//
// A key does nothing where it is part of what somebody does: in a field, an editor, a list of choices, a form that is being written, a
// dialog, or with Ctrl, Alt or Cmd held. Ctrl+Enter (Cmd+Enter) is for those who write, and for them alone.
// [data-does=done|send]: the button that is pressed then; [data-does=assign]: the link that is followed.
import {make, stylesheet} from './common.js'
import openInDialog from './dialog.js'

const BUSY = 'input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], form[data-compose] *, dialog *, details:is(.menu, .me)[open] *'
const ROWS = 'main :is(.list > li, tbody > tr, ul.plain > li.card, .pager > a)'
const TWICE = 1500 // ms in which a second press is the same one, also on the page that follows the first

export default function keys(early, enhance) {
  const table = new Map(document.body.dataset.keys.split(',').map(one => one.split('=')))
  const help = make('a', {href: '/keys'})
  openInDialog(help, {enhance})
  // a list that the first of two presses has led to: its form names the row to go on with
  const [arrival] = performance.getEntriesByType('navigation')
  let doneAt = arrival?.redirectCount && location.hash.startsWith('#c') ? arrival.responseEnd : -TWICE
  let before = ''
  let acted = ''

  const press = event => {
    const {key, target, repeat} = event
    if (key?.length !== 1 || event.isComposing) return
    // a key that is held would go on in the field to which it led
    if (repeat && key === acted) return event.preventDefault()
    acted = ''
    // some keyboards have / and ? only with Shift
    const isHeld = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey && key.toLowerCase() !== key.toUpperCase()
    if (isHeld || target.matches(BUSY) || document.querySelector('dialog:modal')) {
      before = ''
      return
    }
    const one = key.toLowerCase()
    const deed = table.get(`${before} ${one}`) ?? table.get(one)
    before = deed ? '' : one
    if (!deed) return
    event.preventDefault()
    if (!/^(next|previous)$/.test(deed)) {
      // a key that is held since the page before does nothing here
      if (repeat) return
      acted = key
    }
    deeds[deed](event)
  }

  const send = event => {
    if (event.key !== 'Enter' || event.ctrlKey === event.metaKey || event.altKey || event.shiftKey || event.isComposing) return
    const button = table.has('Ctrl+Enter') && sendingButton(event.target)
    if (!button) return
    event.preventDefault()
    event.stopPropagation()
    if (!event.repeat) button.form.requestSubmit(button)
  }

  const deeds = {
    next: () => step(1),
    previous: () => step(-1),
    reply: () => write('reply'),
    note: () => write('note'),
    assign: () => document.querySelector('main [data-does=assign]')?.click(),
    search,
    new: () => location.assign('/patients?for=message#q'),
    inbox: () => location.assign(`/inbox${back('/conversations/', '#c')}`),
    patients: () => location.assign(`/patients${back('/patients/', '#p')}`),
    outbox: () => location.assign('/outbox'),
    help: () => stylesheet('../css/keys.css').then(() => { if (location.pathname !== '/keys') help.click() }),
    done({timeStamp}) {
      if (timeStamp - doneAt > TWICE && markDone()) doneAt = timeStamp
    },
  }

  addEventListener('keydown', press)
  // before the editor, for which it is a key like any other
  addEventListener('keydown', send, true)
  for (const event of early) {
    send(event)
    press(event)
  }
}

/** The next row's link has the focus; from nowhere it is the first one, or the last. */
function step(by) {
  const links = [...document.querySelectorAll(ROWS)].map(row => row.matches('a') ? row : row.querySelector('a[href]'))
  const all = links.filter(link => link?.checkVisibility())
  const row = document.activeElement.closest(ROWS)
  const at = all.findIndex(link => row?.contains(link))
  all[at < 0 && by < 0 ? all.length - 1 : at + by]?.focus()
}

/** In a list: what is ticked, or else the row with the focus; the page that follows opens at the row after it. */
function markDone() {
  const button = document.querySelector('main [data-does=done]')
  if (!button) return false
  const {form} = button
  const rows = [...form.querySelectorAll('.work > li')]
  if (rows.length) {
    const isTicked = row => row.querySelector('.pick :checked')
    if (!rows.some(isTicked)) {
      const pick = document.activeElement.closest('.work > li')?.querySelector('.pick input')
      if (!pick) return false
      pick.checked = true
    }
    const next = rows[rows.findLastIndex(isTicked) + 1] ?? rows.findLast(row => !isTicked(row))
    const goal = form.getAttribute('action').split('#')[0]
    form.setAttribute('action', next ? `${goal}#${next.querySelector('a.item').id}` : goal)
  }
  form.requestSubmit(button)
  return true
}

/** The field of a reply or a note; the other one opens by its tab, which keeps what is typed, and has the focus then (compose.js). */
function write(kind) {
  const form = document.querySelector('#write form')
  const tab = form?.querySelector(`.tab[name=write][value=${kind}]`)
  if (tab) {
    tab.click()
  } else if (form?.matches('.note') === (kind === 'note')) {
    (form.richText ?? form.querySelector('[data-rich]')).focus()
  }
}

function search() {
  const field = seen(document.querySelectorAll('main input[type=search]')) ?? seen(document.querySelectorAll('header input[type=search]'))
  if (!field) return location.assign('/patients#q')
  field.focus()
  field.select()
}

const seen = elements => [...elements].find(element => element.checkVisibility())

/** The place in a list of what this page shows. */
function back(path, mark) {
  const [, id] = location.pathname.split(path)
  return /^\d+/.test(id) ? mark + parseInt(id) : ''
}

/** The button that sends what is being written. Whoever is at "Send later", or changes what goes out later, does not mean "now". */
function sendingButton(target) {
  const form = target.closest('form[data-compose]')
  const button = form?.querySelector('[data-does=send]')
  const isLater = button && (target.closest('.later') || form.querySelector('[name=scheduled]'))
  return isLater ? form.querySelector('[name=later][value=at]') : button
}
