// Hook: ol[data-links] with any a[data-copy-link] in it, also those that come later. Without this script the link leads to the message,
// and the address of that page is the link. Where the clipboard cannot be written (no https, not allowed) it does the same.
// Strings: link_copied
import {say, wordsFor} from './common.js'

export default function copyLinks(list) {
  const words = wordsFor(list)
  let told
  list.addEventListener('click', async event => {
    const link = event.target.closest('a[data-copy-link]')
    if (!link || !navigator.clipboard || event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    try {
      await navigator.clipboard.writeText(link.href)
    } catch {
      return location.assign(link.href)
    }
    // one link at a time says so; its name is what it shows
    if (told && told.link !== link) {
      told.link.textContent = told.text
      told.link.ariaLabel = told.label
    }
    if (told?.link !== link) told = {link, text: link.textContent, label: link.ariaLabel}
    link.textContent = words('link_copied')
    link.removeAttribute('aria-label')
    say(words('link_copied'))
  })
}
