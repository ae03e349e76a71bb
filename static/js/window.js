// The window in which dialog.js shows a page: a <dialog> with the page's main part.
//
// Inside the fragment: a[data-close] or button[data-close] closes; a posted form is sent with X-Fragment: 1 too:
//   a page (2xx, 409, 422, 507) replaces the dialog's content
//   header X-Location: /…    the page goes there (spares the request that following a redirect costs)
//   a redirect               the page goes where it ended
//   anything else, or no network: an alert, and everything typed stays
// On the way out the dialog gets a `teardown` event on its content: detail.discard says that the text was thrown away.
// A form with data-discard-url gets a POST there then (the draft is deleted on the server).
//
// A button with formtarget opens its answer elsewhere, and this dialog stays.
//
// Strings: close, discard_title, discard_text, discard_yes, discard_keep, discard_no, send_failed_title, send_failed_text
import {ask} from './ask.js'
import {formValues, icon, make, wordsFor} from './common.js'
import {isOthers, request} from './request.js'

const FIELD = 'form :is(input, textarea, select):not([type=hidden], [hidden])'

export default class Window {
  constructor(link, enhance) {
    this.link = link
    this.enhance = enhance
    this.words = wordsFor(link)
    this.typed = false
    this.sending = false
    this.dialog = make('dialog', {class: 'window'})
    this.listen()
  }

  async open(html) {
    document.body.append(this.dialog)
    await this.fill(html, () => this.dialog.showModal())
    const first = selector => this.content.querySelector(selector)
    const goal = first('[autofocus]') ?? first(FIELD) ?? first('.btn')
    goal?.focus()
  }

  async fill(html, shown = () => {}) {
    const template = make('template')
    template.innerHTML = html
    this.content?.dispatchEvent(new CustomEvent('teardown', {detail: {discard: false}}))
    this.content = make('div', {class: 'window-content'})
    this.content.append(template.content)
    this.dialog.replaceChildren(this.closeButton(), this.content)
    const heading = this.content.querySelector('h1, h2')
    if (heading) {
      heading.id ||= 'dialog-title'
      this.dialog.setAttribute('aria-labelledby', heading.id)
    }
    shown()
    await this.enhance(this.content)
  }

  closeButton() {
    const label = this.words('close')
    return label ? make('button', {type: 'button', class: 'btn quiet window-close', 'data-close': true, 'aria-label': label, title: label}, icon('x')) : ''
  }

  listen() {
    const {dialog} = this
    dialog.addEventListener('input', () => { this.typed = true })
    dialog.addEventListener('change', () => { this.typed = true })
    // Escape twice closes a dialog whatever `cancel` says, but not where the key itself was refused
    dialog.addEventListener('keydown', event => {
      if (event.key !== 'Escape' || event.defaultPrevented) return
      event.preventDefault()
      this.leave()
    })
    dialog.addEventListener('cancel', event => {
      if (event.target !== dialog) return
      event.preventDefault()
      this.leave()
    })
    dialog.addEventListener('pointerdown', event => { if (event.target === dialog && outside(dialog, event)) this.leave() })
    dialog.addEventListener('click', event => {
      const closer = event.target.closest('[data-close]')
      if (!closer || closer.closest('dialog') !== dialog) return
      event.preventDefault()
      this.leave()
    })
    dialog.addEventListener('submit', event => this.submit(event))
  }

  async leave() {
    if (this.asking || this.sending) return
    if (this.typed) {
      this.asking = true
      const answer = await this.askToDiscard()
      this.asking = false
      if (!answer) return
      return this.end(answer.action === 'discard')
    }
    this.end(false)
  }

  askToDiscard() {
    return ask({
      title: this.words('discard_title'),
      text: this.words('discard_text'),
      actions: [
        {label: this.words('discard_no')},
        {value: 'discard', label: this.words('discard_yes'), kind: 'danger'},
        {value: 'keep', label: this.words('discard_keep'), kind: 'primary'},
      ],
    })
  }

  end(discard) {
    const form = this.content.querySelector('form[data-discard-url]')
    this.content.dispatchEvent(new CustomEvent('teardown', {detail: {discard}}))
    if (discard && form) request(form.dataset.discardUrl, {method: 'POST', body: formValues(form), keepalive: true})
    this.dialog.close()
    this.dialog.remove()
    const summary = this.link.closest('details.menu')?.querySelector('summary')
    ;(this.link.checkVisibility?.() === false && summary ? summary : this.link).focus()
  }

  async submit(event) {
    const form = event.target
    // not form.method: a field called method would stand in its place
    if (event.defaultPrevented || form.getAttribute('method') !== 'post' || event.submitter?.formTarget) return
    event.preventDefault()
    if (this.sending) return
    this.sending = true
    const button = event.submitter ?? form
    button.setAttribute('aria-busy', 'true')
    try {
      const goal = event.submitter?.getAttribute('formaction') ?? form.getAttribute('action')
      const response = await request(goal, {method: 'POST', headers: {'X-Fragment': '1'}, body: bodyOf(form, event.submitter)})
      await this.answer(response)
    } catch {
      this.tellFailure(form)
    } finally {
      this.sending = false
      button.removeAttribute('aria-busy')
    }
  }

  async answer(response) {
    if (isOthers(response)) return
    const goTo = response.headers.get('X-Location') ?? (response.redirected ? response.url : null)
    if (goTo) {
      this.content.dispatchEvent(new CustomEvent('teardown', {detail: {discard: true}})) // sent: no draft to save any more
      location.assign(goTo)
      await new Promise(() => {}) // the button stays busy until the next page is there
    }
    if (!response.ok && ![409, 422, 507].includes(response.status)) throw new Error(`unexpected ${response.status}`)
    await this.fill(await response.text())
    this.typed = response.ok ? false : this.typed
    this.dialog.scrollTop = 0
    const first = this.content.querySelector('.error-summary, [role=alert]:not([hidden]), [aria-invalid=true]') ?? this.content.querySelector(FIELD)
    if (first && !first.matches('input, textarea, select')) first.tabIndex = -1
    first?.focus()
  }

  tellFailure(form) {
    form.querySelector('.alert[data-send-failed]')?.remove()
    const alert = make('div', {class: 'alert danger', role: 'alert', 'data-send-failed': true},
      make('h2', {text: this.words('send_failed_title')}), make('p', {text: this.words('send_failed_text')}))
    form.append(alert)
    alert.scrollIntoView({block: 'nearest'})
  }
}

function bodyOf(form, submitter) {
  return form.enctype === 'multipart/form-data' ? new FormData(form, submitter) : formValues(form, submitter)
}

function outside(dialog, {clientX: x, clientY: y}) {
  const box = dialog.getBoundingClientRect()
  return x < box.left || x > box.right || y < box.top || y > box.bottom
}
