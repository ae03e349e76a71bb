// Hooks: form[data-chart-browser] and button[data-open-chart-browser=URL].
//
// The form is the chart browser. Each of its buttons asks for the same page with other kinds, words, dates or places;
// here the answer takes the form's place without leaving the page, the focus stays where it was, and ticks count at once.
// Words are looked for as they are typed. What is ticked in the list also stands, by its title, in ul[data-ticked] below it.
//
// The button opens the browser in a dialog over the form that it stands in. "Select" puts what is ticked into that form's
// ul[data-chart-items], as the ticked boxes (name chart_item) that the server would put there; nothing else is sent.
// Where the answer does not come, the button does what it does without this script: the form is kept, the browser a page.
import {formValues, icon, make, say, stylesheet} from './common.js'
import {isOthers, request} from './request.js'

const AFTER = 300 // ms of quiet, before words are looked for

const FRAGMENT = {'X-Fragment': '1'}

export default function start(element) {
  if (element.matches('form')) new Browser(element)
  else element.addEventListener('click', event => open(event, element))
}

/** The form of the browser at an address, or null where it cannot be had; undefined: the page is of somebody else. */
async function fetchForm(url, options = {}) {
  try {
    const response = await request(url, {...options, headers: FRAGMENT})
    if (isOthers(response)) return
    // a search leads on to the browser; anything else that leads elsewhere is the sign-in page
    if (!response.ok || response.redirected && !new URL(response.url).pathname.endsWith('/chart-browser')) return null
    const template = make('template')
    template.innerHTML = await response.text()
    return template.content.querySelector('form[data-chart-browser]')
  } catch {
    return null
  }
}

class Browser {
  /** onSelect: takes the ticked boxes; without it "Select" is the server's. */
  constructor(form, onSelect) {
    this.onSelect = onSelect
    this.take(form)
  }

  take(form) {
    this.form = form
    form.addEventListener('submit', event => this.submit(event))
    form.addEventListener('change', event => {
      if (event.target.name === 'chart_item') this.count()
    })
    form.addEventListener('input', event => {
      if (event.target.type === 'search') this.seek(event)
    })
    this.count()
  }

  seek(event) {
    clearTimeout(this.timer)
    if (event.isComposing || this.plain) return
    this.timer = setTimeout(() => this.form.isConnected && this.form.requestSubmit(), AFTER)
  }

  ticked() {
    return [...this.form.querySelectorAll('input[name=chart_item]:checked')]
  }

  count() {
    const ticked = this.ticked()
    this.form.querySelector('[data-count]').textContent = ticked.length
    const list = this.form.querySelector('[data-ticked]')
    if (!list) return
    const here = ticked.filter(box => box.closest('.picks'))
    list.hidden = !here.length
    list.replaceChildren(...here.map(box => make('li', {}, this.title(box, list.dataset.remove))))
  }

  /** A ticked item by its title: pressed, it is not ticked any more, as `label` says in words. */
  title(box, label) {
    const text = box.closest('label').querySelector('.title').textContent
    const button = make('button', {type: 'button', text: `${text} `, 'aria-label': label.replace('$title', () => text)})
    button.append(icon('x'))
    button.addEventListener('click', () => {
      box.checked = false
      this.count()
      box.focus()
    })
    return button
  }

  async submit(event) {
    if (this.plain) return
    const button = event.submitter
    if (button?.name === 'select') {
      if (!this.onSelect) return
      event.preventDefault()
      this.onSelect(this.ticked())
      return
    }
    event.preventDefault()
    clearTimeout(this.timer)
    this.form.setAttribute('aria-busy', 'true')
    const asked = this.asked = Symbol('asked')
    const sent = this.form.querySelector('input[type=search]')?.value
    const next = await fetchForm(this.form.action, {method: 'POST', body: formValues(this.form, button)})
    if (asked !== this.asked) return // a later question has been asked
    if (next === undefined) return this.form.removeAttribute('aria-busy')
    if (!next) {
      this.plain = true
      this.form.requestSubmit(button)
      return
    }
    // ticks that were made while the answer was under way
    for (const box of this.form.querySelectorAll('input[name=chart_item]')) {
      const same = next.querySelector(`input[name=chart_item][value="${CSS.escape(box.value)}"]`)
      if (same) same.checked = box.checked
      else if (box.checked) next.append(make('input', {type: 'checkbox', name: 'chart_item', value: box.value, checked: true, hidden: true}))
    }
    const focused = this.form.contains(document.activeElement) ? document.activeElement : null
    // words that were typed while the answer was under way stay, and are looked for next
    const [typed, words] = [this.form, next].map(form => form.querySelector('input[type=search]'))
    // by what was sent: the words in the answer have their spaces put in order, and would never be the same
    const goesOn = typed && typed === focused && typed.value !== sent
    const caret = typed && typed === focused ? [typed.selectionStart, typed.selectionEnd] : null
    if (caret) words.value = typed.value
    this.form.replaceWith(next)
    this.take(next)
    this.focus(button, focused)
    if (caret) words.setSelectionRange(...caret)
    if (goesOn) this.timer = setTimeout(() => next.isConnected && next.requestSubmit(), AFTER)
    say(next.querySelector('[data-found]')?.textContent ?? '')
  }

  focus(button, focused) {
    if (button?.name === 'show') {
      this.form.querySelector('.preview')?.focus()
      return
    }
    const named = ({name, value, id}) => {
      if (id) return document.getElementById(id)
      return name ? this.form.querySelector(`button[name="${CSS.escape(name)}"][value="${CSS.escape(value)}"]`) : null
    }
    const goal = (focused && named(focused)) ?? this.form.querySelector('.picks input, input[type=search]')
    goal?.focus()
  }
}

async function open(event, button) {
  const list = button.form.querySelector('[data-chart-items]')
  if (!list || button.dataset.plain) return
  event.preventDefault()
  if (button.getAttribute('aria-busy')) return
  button.setAttribute('aria-busy', 'true')
  const url = new URL(button.dataset.openChartBrowser, location.href)
  for (const box of list.querySelectorAll('input[name=chart_item]:checked') ?? []) url.searchParams.append('chart_item', box.value)
  const [form] = await Promise.all([fetchForm(url), stylesheet('../css/chart.css')])
  button.removeAttribute('aria-busy')
  if (form === undefined) return
  if (!form) {
    button.dataset.plain = 'true'
    button.click()
    return
  }
  const dialog = make('dialog', {class: 'window chart-window', 'aria-labelledby': 'browse-title'})
  const close = () => {
    dialog.close()
    dialog.remove()
    button.focus()
  }
  dialog.append(make('div', {class: 'window-content'}, form))
  dialog.addEventListener('cancel', event => {
    event.preventDefault()
    close()
  })
  dialog.addEventListener('click', event => {
    if (!event.target.closest('[data-close]')) return
    event.preventDefault()
    close()
  })
  new Browser(form, boxes => {
    list.replaceChildren(...boxes.map(chosen))
    list.closest('[data-chart-chosen]')?.toggleAttribute('hidden', !boxes.length)
    list.dispatchEvent(new Event('change', {bubbles: true}))
    close()
  })
  document.body.append(dialog)
  dialog.showModal()
  form.querySelector('input[type=search]')?.focus()
}

/** A ticked box as the server writes it. */
function chosen(box) {
  const label = box.closest('label')
  const part = name => make('span', {class: name, text: label?.querySelector(`.${name}`)?.textContent ?? ''})
  return make('li', {}, make('label', {class: 'check'},
    make('input', {type: 'checkbox', name: 'chart_item', value: box.value, checked: true}), ' ',
    make('span', {}, part('title'), ' ', part('meta'))))
}
