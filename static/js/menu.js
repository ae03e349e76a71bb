// Hook: details.menu > summary + ul of links and buttons. It opens and closes by itself (it is a <details>);
// this adds Escape, a click elsewhere, arrow keys, and opening towards the side that has room.
export default function menu(details) {
  const summary = details.querySelector('summary')
  const items = () => [...details.querySelectorAll('ul :is(a, button)')]
  const close = () => { details.open = false }

  details.addEventListener('toggle', () => {
    if (!details.open) return
    details.classList.remove('flip')
    const list = details.querySelector('ul').getBoundingClientRect()
    details.classList.toggle('flip', list.right > document.documentElement.clientWidth)
  })

  details.addEventListener('keydown', event => {
    if (event.key === 'Escape' && details.open) {
      event.preventDefault()
      event.stopPropagation()
      close()
      summary.focus()
    }
    const to = target(event.key, items())
    if (!to || (!details.open && event.key !== 'ArrowDown')) return
    event.preventDefault()
    details.open = true
    to.focus()
  })

  document.addEventListener('pointerdown', event => { if (!details.contains(event.target)) close() })
  details.addEventListener('focusout', event => { if (event.relatedTarget && !details.contains(event.relatedTarget)) close() })
  // a link that opens a dialog leaves the page where it is: the menu should not stay open behind it
  details.querySelector('ul').addEventListener('click', event => { if (event.target.closest('a, button')) close() })
}

function target(key, items) {
  const at = items.indexOf(document.activeElement)
  switch (key) {
    case 'ArrowDown': return items[(at + 1) % items.length]
    case 'ArrowUp': return items.at(at <= 0 ? -1 : at - 1)
    case 'Home': return items[0]
    case 'End': return items.at(-1)
  }
}
