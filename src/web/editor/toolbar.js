// The toolbar, after the ARIA authoring practices: one tab stop, arrows (mirrored in right-to-left), Home and End,
// aria-pressed on what can be on, aria-disabled (not disabled: it keeps its place) on what cannot be done here.
// A button with a `menu` opens a list of commands in words.

const MAC = /Mac|iP(hone|ad|od)/.test(navigator.platform)
const shownKeys = keys => keys.replace('Mod', MAC ? '⌘' : 'Ctrl')
const ariaKeys = keys => keys.replace('Mod', MAC ? 'Meta' : 'Control')

/** groups: [{label, items: [{id, icon, label, keys?, words?, run? | open? | menu?, active?, enabled?, visible?}]}] */
export function toolbar(view, groups, {label, make, icon}) {
  const buttons = []
  const dom = make('div', {class: 'ed-bar', role: 'toolbar', 'aria-label': label, 'aria-controls': view.dom.id})

  for (const group of groups) {
    const box = make('div', {class: 'ed-group', role: 'group', 'aria-label': group.label})
    for (const item of group.items) {
      const button = buttonFor(item, {make, icon})
      button.addEventListener('click', () => press(view, item, button, {make}))
      buttons.push({button, item})
      box.append(button)
    }
    dom.append(box)
  }

  // the editor keeps its selection and, on a phone, its keyboard
  dom.addEventListener('mousedown', event => event.preventDefault())
  const reachable = () => buttons.map(({button}) => button).filter(button => !button.hidden)
  const rove = to => { for (const {button} of buttons) button.tabIndex = button === to ? 0 : -1 }

  dom.addEventListener('keydown', event => {
    const to = destination(event.key, reachable(), dom)
    if (to) {
      event.preventDefault()
      rove(to)
      to.focus()
    } else if (event.key === 'Escape') {
      event.preventDefault()
      event.stopPropagation()
      view.focus()
    }
  })
  dom.addEventListener('focusin', event => { if (event.target.matches('.ed-btn')) rove(event.target) })
  rove(buttons[0].button)

  return {
    dom,
    focus: () => reachable().find(button => button.tabIndex === 0)?.focus(),
    update(state) {
      for (const {button, item} of buttons) {
        if (item.active) button.setAttribute('aria-pressed', String(item.active(state)))
        if (item.enabled) button.setAttribute('aria-disabled', String(!item.enabled(state)))
        if (item.visible) button.hidden = !item.visible(state)
      }
      const current = buttons.find(({button}) => button.tabIndex === 0)
      if (current?.button.hidden) rove(reachable()[0])
    },
  }
}

function buttonFor(item, {make, icon}) {
  const button = make('button', {
    type: 'button', class: item.words ? 'ed-btn words' : 'ed-btn', tabindex: -1, 'data-command': item.id,
    title: item.keys ? `${item.label} (${shownKeys(item.keys)})` : item.label,
    'aria-label': item.words ? null : item.label,
    'aria-keyshortcuts': item.keys ? ariaKeys(item.keys) : null,
    'aria-pressed': item.active ? 'false' : null,
    'aria-haspopup': item.menu ? 'menu' : item.open ? 'dialog' : null,
    'aria-expanded': item.menu ? 'false' : null,
  }, icon(item.icon))
  if (item.words) button.append(item.label)
  return button
}

function press(view, item, button, {make}) {
  if (button.getAttribute('aria-disabled') === 'true') return
  if (item.menu) return openMenu(view, item.menu, button, make)
  if (item.open) return item.open()
  item.run(view.state, view.dispatch, view)
  view.focus()
}

function destination(key, list, dom) {
  const forward = getComputedStyle(dom).direction === 'rtl' ? 'ArrowLeft' : 'ArrowRight'
  const at = list.indexOf(document.activeElement)
  if (key === 'Home') return list[0]
  if (key === 'End') return list.at(-1)
  if (key === 'ArrowRight' || key === 'ArrowLeft') return list[(at + (key === forward ? 1 : -1) + list.length) % list.length]
}

/** A menu in the top layer (popover), so that neither the dialog's nor the editor's edges cut it. */
function openMenu(view, entries, button, make) {
  const menu = make('div', {class: 'ed-menu', role: 'menu', popover: 'manual', 'aria-label': button.title})
  const items = entries.map(entry => {
    const item = make('button', {type: 'button', role: 'menuitem', tabindex: -1, text: entry.label, 'aria-disabled': String(!entry.run(view.state))})
    item.addEventListener('click', () => {
      if (item.getAttribute('aria-disabled') === 'true') return
      close()
      entry.run(view.state, view.dispatch, view)
      view.focus()
    })
    return item
  })
  menu.append(...items)
  button.after(menu)
  button.setAttribute('aria-expanded', 'true')
  place(menu, button)
  items[0].focus()

  const elsewhere = event => { if (!menu.contains(event.target) && event.target !== button) close() }
  document.addEventListener('pointerdown', elsewhere)

  function close() {
    document.removeEventListener('pointerdown', elsewhere)
    button.setAttribute('aria-expanded', 'false')
    menu.remove()
  }

  menu.addEventListener('keydown', event => {
    const at = items.indexOf(document.activeElement)
    const to = {ArrowDown: items[(at + 1) % items.length], ArrowUp: items.at(at - 1), Home: items[0], End: items.at(-1)}[event.key]
    if (!to && !['Escape', 'Tab'].includes(event.key)) return event.stopPropagation()
    event.stopPropagation()
    if (event.key !== 'Tab') event.preventDefault()
    if (to) return to.focus()
    close()
    button.focus()
  })
}

function place(menu, button) {
  menu.showPopover?.()
  const anchor = button.getBoundingClientRect()
  const {width, height} = menu.getBoundingClientRect()
  // set through the CSSOM, which the policy allows; a style attribute in markup it would not
  menu.style.left = `${Math.max(8, Math.min(anchor.left, document.documentElement.clientWidth - width - 8))}px`
  menu.style.top = `${anchor.bottom + height + 8 > innerHeight ? Math.max(8, anchor.top - height - 4) : anchor.bottom + 4}px`
}
