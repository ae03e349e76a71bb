// Hook: select[multiple][data-combo]. An editable combobox with a list popup after the ARIA authoring practices; the chosen
// people are chips. The <select> stays the form's control, hidden, so nothing changes for the server.
//
// Option attributes: data-name (shown instead of the option's text), data-role, data-email (searched and shown beside),
//                    data-fixed (its chip comes first and cannot be removed; the option should be `selected`)
// Keys: arrows, Home/End in the text, Enter takes, Escape closes then clears, Backspace in the empty input removes the last.
// Events: `change` on the select, as if the person had used it.
// Strings: combo_remove {name}, combo_added {name}, combo_removed {name}, combo_none, combo_count {count}
import {fold, icon, make, say, wordsFor} from './common.js'

const MOST = 50 // options shown at once; typing narrows them

export default function combobox(select) {
  new Combobox(select)
}

class Combobox {
  constructor(select) {
    this.select = select
    this.words = wordsFor(select)
    this.matches = []
    this.active = -1
    this.build()
    this.listen()
    this.drawChips()
  }

  build() {
    const {select} = this
    const label = select.labels[0]
    label.id ||= `${select.id}-label`
    this.list = make('ul', {class: 'options', role: 'listbox', id: `${select.id}-list`, 'aria-labelledby': label.id, hidden: true})
    this.input = make('input', {
      type: 'text', id: `${select.id}-input`, role: 'combobox', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false',
      'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': this.list.id, 'aria-describedby': select.getAttribute('aria-describedby'),
      'aria-invalid': select.getAttribute('aria-invalid'),
    })
    this.chips = make('ul', {class: 'combo-chips', 'aria-labelledby': label.id})
    this.box = make('div', {class: 'combo-box'}, this.chips, this.input)
    label.htmlFor = this.input.id
    select.hidden = true
    select.after(make('div', {class: 'combo'}, this.box, this.list))
  }

  listen() {
    const {input, list} = this
    input.addEventListener('input', () => this.filter(true))
    input.addEventListener('click', () => this.filter(false))
    input.addEventListener('blur', () => this.close())
    input.addEventListener('keydown', event => this.key(event))
    // what is half typed is not the form's: a dialog should not ask about it, a draft not be saved for it
    for (const name of ['input', 'change']) input.addEventListener(name, event => event.stopPropagation())
    this.box.addEventListener('pointerdown', event => {
      if (event.target === this.box) {
        event.preventDefault()
        input.focus()
      }
    })
    list.addEventListener('pointerdown', event => event.preventDefault()) // keeps the focus, and so the list, where they are
    list.addEventListener('click', event => {
      const index = [...list.children].indexOf(event.target.closest('[role=option]'))
      if (index >= 0) this.choose(this.matches[index], true)
    })
  }

  key(event) {
    const open = !this.list.hidden
    const handled = {
      ArrowDown: () => (open ? this.move(this.active + 1) : this.filter(false), true),
      ArrowUp: () => (open ? this.move(this.active - 1) : this.filter(false), true),
      Enter: () => this.enter(open),
      Escape: () => this.escape(open),
      Backspace: () => !this.input.value && this.removeLast(),
    }[event.key]?.()
    if (!handled) return
    event.preventDefault()
    event.stopPropagation()
  }

  enter(open) {
    const option = this.matches[this.active] ?? (this.matches.length === 1 && this.input.value ? this.matches[0] : null)
    if (open && option) this.choose(option, true)
    return true // Enter in this field never sends the form
  }

  escape(open) {
    if (open) this.close()
    else if (this.input.value) this.input.value = ''
    else return false // now it is the dialog's
    return true
  }

  removeLast() {
    const last = this.chosen().filter(option => !option.hasAttribute('data-fixed')).at(-1)
    if (last) this.choose(last, false)
    return Boolean(last)
  }

  filter(announce) {
    const wanted = fold(this.input.value.trim()).split(/\s+/)
    const matches = option => {
      const text = fold([option.text, option.dataset.name, option.dataset.role, option.dataset.email].join(' '))
      return wanted.every(word => text.includes(word))
    }
    this.matches = [...this.select.options].filter(option => !option.selected && !option.disabled && matches(option)).slice(0, MOST)
    this.list.replaceChildren(...this.matches.map((option, index) => this.row(option, index)))
    if (!this.matches.length) this.list.append(make('li', {class: 'none', role: 'presentation', text: this.words('combo_none')}))
    this.open()
    if (announce) say(this.matches.length ? this.words('combo_count', {count: this.matches.length}) : this.words('combo_none'))
  }

  row(option, index) {
    const {role, email} = option.dataset
    const row = make('li', {role: 'option', id: `${this.list.id}-${index}`, 'aria-selected': 'false'}, nameOf(option))
    if (role || email) row.append(make('small', {text: [role, email].filter(Boolean).join(' · ')}))
    return row
  }

  open() {
    this.list.hidden = false
    this.input.setAttribute('aria-expanded', 'true')
    this.mark(-1)
  }

  close() {
    this.list.hidden = true
    this.input.setAttribute('aria-expanded', 'false')
    this.mark(-1)
  }

  move(to) {
    const count = this.matches.length
    if (count) this.mark(this.active < 0 && to < -1 ? count - 1 : (to + count) % count)
  }

  mark(index) {
    this.active = index
    for (const [at, row] of [...this.list.querySelectorAll('[role=option]')].entries()) {
      row.setAttribute('aria-selected', String(at === index))
      if (at === index) row.scrollIntoView({block: 'nearest'})
    }
    if (index < 0) this.input.removeAttribute('aria-activedescendant')
    else this.input.setAttribute('aria-activedescendant', `${this.list.id}-${index}`)
  }

  choose(option, on) {
    option.selected = on
    this.input.value = ''
    this.close()
    this.drawChips()
    say(this.words(on ? 'combo_added' : 'combo_removed', {name: nameOf(option)}))
    this.select.dispatchEvent(new Event('change', {bubbles: true}))
  }

  chosen() {
    const fixedFirst = (a, b) => b.hasAttribute('data-fixed') - a.hasAttribute('data-fixed')
    return [...this.select.selectedOptions].sort(fixedFirst)
  }

  drawChips() {
    this.chips.hidden = !this.select.selectedOptions.length
    this.chips.replaceChildren(...this.chosen().map(option => make('li', {}, this.chip(option))))
  }

  chip(option) {
    const name = nameOf(option)
    if (option.hasAttribute('data-fixed')) return make('span', {class: 'chip fixed'}, icon('lock'), name)
    const label = this.words('combo_remove', {name})
    const button = make('button', {type: 'button', 'aria-label': label, title: label}, icon('x'))
    button.addEventListener('click', () => {
      this.choose(option, false)
      this.input.focus()
    })
    return make('span', {class: 'chip'}, name, button)
  }
}

const nameOf = option => option.dataset.name ?? option.text
