// Hook: dialog[data-template-picker][data-url], opened by any button[data-open-templates="#id of the dialog"]
// (give the button `hidden`; it is shown when this runs).
//
// In it: input[data-search], select[data-category] (first option: all), ul[data-options] (becomes the listbox),
// [data-preview], button[data-use], button[data-insert], [data-close], optionally [data-picker-error] (hidden).
// data-url gives JSON, fetched once: [{id, title, category, language, body_html, subject, replies_allowed}], the bodies
// filled with the patient's, the user's and the clinic's details and cleaned by the server's allow-list.
// Fills in the form around the button: the editor and, where it has them, input[name=title], checkbox [data-replies] or
// [name=replies_allowed]; [data-plain-template] in it is what stands for this without script, and goes.
// and sends the template's id along in input[name=template_id] where there is one.
// Strings: replace_title, replace_text, replace_yes, replace_no, picker_none, picker_count {count}
import {ask} from './ask.js'
import {fold, make, say, wordsFor} from './common.js'
import {request} from './request.js'

export default function templatePicker(dialog) {
  const picker = new Picker(dialog)
  for (const button of document.querySelectorAll(`[data-open-templates="#${dialog.id}"]`)) {
    button.hidden = false
    button.form.querySelector('[data-plain-template]')?.remove()
    button.addEventListener('click', () => picker.open(button))
  }
}

class Picker {
  constructor(dialog) {
    this.dialog = dialog
    this.words = wordsFor(dialog)
    this.part = name => dialog.querySelector(`[data-${name}]`)
    this.list = this.part('options')
    this.list.id ||= `${dialog.id}-list`
    this.list.setAttribute('role', 'listbox')
    this.prepareSearch()
    this.listen()
  }

  /** The focus stays in the search field; arrows move through the list below it, as in a combobox. */
  prepareSearch() {
    const search = this.part('search')
    for (const [name, value] of Object.entries({role: 'combobox', 'aria-expanded': 'true', 'aria-controls': this.list.id, 'aria-autocomplete': 'list', autocomplete: 'off'})) {
      search.setAttribute(name, value)
    }
  }

  listen() {
    const {dialog} = this
    // nothing in here is the message's: no draft to save, nothing to ask about
    for (const name of ['input', 'change', 'cancel', 'close']) dialog.addEventListener(name, event => event.stopPropagation())
    this.part('search').addEventListener('input', () => this.filter(true))
    this.part('category').addEventListener('change', () => this.filter(true))
    dialog.addEventListener('keydown', event => this.key(event))
    this.list.addEventListener('click', event => {
      const row = event.target.closest('[role=option]')
      if (row) this.mark(Number(row.dataset.index))
    })
    this.list.addEventListener('dblclick', () => this.use())
    dialog.addEventListener('click', event => {
      if (event.target.closest('[data-close]')) {
        event.preventDefault()
        event.stopPropagation()
        dialog.close()
      }
    })
    this.part('use').addEventListener('click', () => this.use())
    this.part('insert').addEventListener('click', () => this.insert())
  }

  async open(button) {
    this.form = button.form
    this.dialog.showModal()
    this.part('search').focus()
    try {
      this.templates ??= await this.load()
    } catch {
      const error = this.part('picker-error')
      if (error) error.hidden = false
      return
    }
    this.filter(false)
  }

  async load() {
    const response = await request(this.dialog.dataset.url, {headers: {Accept: 'application/json'}})
    if (!response.ok || response.redirected) throw new Error(String(response.status))
    const templates = await response.json()
    for (const category of [...new Set(templates.map(template => template.category).filter(Boolean))].sort()) {
      this.part('category').append(make('option', {value: category, text: category}))
    }
    return templates
  }

  filter(announce) {
    const words = fold(this.part('search').value.trim()).split(/\s+/)
    const category = this.part('category').value
    this.shown = (this.templates ?? []).filter(template => {
      const text = fold([template.title, template.subject, template.category].join(' '))
      return (!category || template.category === category) && words.every(word => text.includes(word))
    })
    this.list.replaceChildren(...this.shown.map((template, index) => make('li', {role: 'option', id: `${this.list.id}-${index}`, 'data-index': index, lang: template.language, 'aria-selected': 'false'},
      make('span', {text: template.title}), make('small', {text: template.category ?? ''}))))
    if (!this.shown.length) this.list.append(make('li', {class: 'none', role: 'presentation', text: this.words('picker_none')}))
    this.mark(this.shown.length ? 0 : -1)
    if (announce) say(this.shown.length ? this.words('picker_count', {count: this.shown.length}) : this.words('picker_none'))
  }

  key(event) {
    if (event.key === 'Escape') {
      event.preventDefault()
      event.stopPropagation() // or the dialog below would take it too
      return this.dialog.close()
    }
    if (event.target !== this.part('search') || !this.shown?.length) return
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key]
    if (step) this.mark((this.active + step + this.shown.length) % this.shown.length)
    else if (event.key === 'Enter') this.use()
    else return
    event.preventDefault()
  }

  mark(index) {
    this.active = index
    for (const row of this.list.querySelectorAll('[role=option]')) {
      const on = Number(row.dataset.index) === index
      row.setAttribute('aria-selected', String(on))
      if (on) row.scrollIntoView({block: 'nearest'})
    }
    const search = this.part('search')
    if (index < 0) search.removeAttribute('aria-activedescendant')
    else search.setAttribute('aria-activedescendant', `${this.list.id}-${index}`)
    this.preview(this.shown[index])
  }

  preview(template) {
    const pane = this.part('preview')
    pane.replaceChildren()
    for (const name of ['use', 'insert']) this.part(name).disabled = !template
    if (!template) return
    pane.lang = template.language ?? ''
    pane.append(make('h3', {text: template.subject ?? template.title}))
    const body = make('template')
    body.innerHTML = template.body_html // cleaned by the server, and the page's CSP lets no script of it run
    pane.append(body.content)
  }

  async use() {
    const template = this.shown?.[this.active]
    if (!template) return
    await this.form.openEditor()
    if (!(await this.mayReplace(template))) return
    this.dialog.close()
    const title = this.form.elements.title
    if (title) title.value = template.subject ?? template.title
    const replies = this.form.querySelector('[data-replies], [type=checkbox][name=replies_allowed]')
    if (replies && template.replies_allowed != null) replies.checked = template.replies_allowed
    if (this.form.elements.template_id) this.form.elements.template_id.value = template.id
    this.form.richText.replace(template.body_html)
    this.form.richText.focus()
  }

  async insert() {
    const template = this.shown?.[this.active]
    if (!template) return
    await this.form.openEditor()
    this.dialog.close()
    this.form.richText.insert(template.body_html)
  }

  async mayReplace(template) {
    const title = this.form.elements.title?.value.trim()
    if (this.form.richText.empty && (!title || title === template.subject)) return true
    return Boolean(await ask({
      title: this.words('replace_title'),
      text: this.words('replace_text'),
      actions: [{label: this.words('replace_no')}, {value: 'replace', label: this.words('replace_yes'), kind: 'primary'}],
    }))
  }
}
